"""The venue's dead man's switch: once a key has beaten, silence of ten seconds cancels all its orders (checked every five)."""

from uuid import UUID

from pmm_tui.core.units import SECOND, Nanos

DEADLINE_NS = 10 * SECOND
CHECK_NS = 5 * SECOND
NEVER = Nanos(2**63 - 1)


class Heartbeats:
    """Chained ids by API key."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, Nanos]] = {}
        self._check = NEVER
        self._count = 0

    def beat(self, owner: str, last: str, at: Nanos) -> tuple[str, bool]:
        """A beat chained to `last` (empty: the first of a session). The id to chain to next, and whether this one was taken."""
        known = self._last.get(owner)
        if known is not None and last != known[0]:
            return known[0], False
        self._count += 1
        following = str(UUID(int=self._count << 64 | at & 0xFFFFFFFFFFFFFFFF, version=4))
        self._last[owner] = (following, at)
        if self._check == NEVER:
            self._check = Nanos(at + CHECK_NS)
        return following, True

    def due(self) -> Nanos:
        """When the next check is."""
        return self._check

    def lapsed(self, at: Nanos) -> list[str]:
        """The keys that fell silent, told once: they beat anew from nothing."""
        if at < self._check:
            return []
        silent = [owner for owner, (_, beaten) in self._last.items() if at - beaten >= DEADLINE_NS]
        for owner in silent:
            del self._last[owner]
        self._check = Nanos(at + CHECK_NS) if self._last else NEVER
        return silent
