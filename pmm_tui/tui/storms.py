"""Reject storms: a venue that refuses a desk's orders faster than it should, told once for as long as it lasts."""

from collections import deque

from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import SECOND

POINTS_MAX = 1_000


class Storms:
    """By run, what it had refused when, as far back as the alarm looks. It ends when fewer than half of what began it are refused."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[int, int]]] = {}
        self._raging: dict[str, None] = {}

    def look(self, frame: Frame, most: int, within_s: float) -> str:
        """One more picture of a desk: what to say while `most` orders or more were refused `within_s` seconds; empty otherwise."""
        run, at, total = frame.card.run, int(frame.snapshot.at), sum(frame.snapshot.rejects.values())
        seen = self._seen.setdefault(run, deque(maxlen=POINTS_MAX))
        if seen and (total < seen[-1][1] or at < seen[-1][0]):
            seen.clear()  # another run of this name, or a replay that went back
        if not seen or total != seen[-1][1]:
            seen.append((at, total))
        since = at - round(within_s * SECOND)
        while len(seen) > 1 and seen[1][0] <= since:
            seen.popleft()
        refused = total - seen[0][1]
        if refused >= most:
            self._raging[run] = None
        elif 2 * refused < most:
            self._raging.pop(run, None)
        return f"REFUSED {refused} in {within_s:g}s" if run in self._raging else ""
