"""The mids of every market as they were, for /prices-history: one point every ten seconds at most."""

from collections import deque

from pmm_tui.core.units import ONE, SECOND, Nanos

STEP_S = 10
POINTS_MAX = 50_000
"""By market: about five days and a half."""


class History:
    """Points by market: (seconds, bid + ask of YES in price units). A point says where the mid stood last in its ten seconds."""

    def __init__(self) -> None:
        self._points: dict[str, deque[tuple[int, int]]] = {}

    def note(self, market: str, at: Nanos, twice_mid: int) -> None:
        """The mid is here now; times never go back."""
        points = self._points.setdefault(market, deque(maxlen=POINTS_MAX))
        second = at // SECOND
        if points and points[-1][0] // STEP_S == second // STEP_S:
            points.pop()
        points.append((second, twice_mid))

    def of(self, market: str, yes: bool, start_s: int, end_s: int, fidelity_s: int) -> list[dict[str, float]]:
        """A token's points between two seconds, both included, the last of every `fidelity_s` seconds."""
        kept: dict[int, tuple[int, int]] = {}
        for second, twice in self._points.get(market, ()):
            if start_s <= second <= end_s:
                kept[second // fidelity_s] = (second, twice)
        whole = 2 * int(ONE)
        return [{"t": second, "p": (twice if yes else whole - twice) / whole} for second, twice in kept.values()]
