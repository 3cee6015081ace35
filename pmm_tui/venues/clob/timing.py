"""Time, as orders need it: this machine's clock against the venue's, and whether the desk stood still."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from pmm_tui.core.events import ClockSeen, Event
from pmm_tui.core.signals.clock import agreed, surely_off
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.venues.clob.links import Links
from pmm_tui.venues.clob.port import Trouble

COMPARE_S = 15.0
RECHECK_S = 2.0
"""A reading that something hangs on is asked for once more after this."""
LOOK_S = 0.25
STILL_S = 0.5
"""After a longer stall the desk's quotes, and the books that it would quote on, are of before it."""
RESUME_S = 1.0
"""So long the desk reads what waited meanwhile, before it quotes again."""


class VenueTime:
    """The desk's clock carried on to the venue's: the venue refuses, cancels too, what is stamped too far from its own time."""

    def __init__(self, clock: Callable[[], Nanos]) -> None:
        self.ahead = Nanos(0)
        """By so much the venue's clock is ahead, as two readings in a row say; 0 where it may be the same."""
        self._clock = clock

    def __call__(self) -> Nanos:
        """Now, by the venue's clock."""
        return Nanos(self._clock() + self.ahead)


class Timing:
    """Reads the venue's clock for the desk to judge, and keeps the link `desk`, which is down after a stall or a suspended machine."""

    def __init__(
        self,
        links: Links,
        clock: Callable[[], Nanos],
        theirs: Callable[[], Awaitable[int]],
        stamps: VenueTime,
        tell: Callable[[Iterable[Event]], None],
    ) -> None:
        """theirs: asks for the venue's clock, whole seconds. stamps: the time that requests are stamped with, to be kept right."""
        self._links = links
        self._clock = clock
        self._theirs = theirs
        self._stamps = stamps
        self._tell = tell
        self._jumped = asyncio.Event()
        self._looked = clock()
        self._stood = Nanos(0)

    @property
    def stands(self) -> bool:
        """Whether the desk stood still just now, known to the link or not yet."""
        return self._clock() - self._looked > (LOOK_S + STILL_S) * SECOND or self._links.is_down("desk")

    async def look(self) -> None:
        """Watch for stalls until cancelled."""
        self._looked = self._clock()
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._clock()
            late_s = (now - self._looked) / SECOND - LOOK_S
            self._looked = now
            if late_s > STILL_S:
                self._stood = now
                self._jumped.set()
                self._links.down("desk", f"it stood still for {late_s:.1f} s")
            elif self._links.is_down("desk") and now - self._stood >= RESUME_S * SECOND:
                self._links.up("desk")

    async def compare(self) -> None:
        """Compare the clocks again and again until cancelled, at once after a stall; what could not be asked is asked the next time."""
        before: ClockSeen | None = None
        while True:
            self._jumped.clear()
            asked = self._clock()
            try:
                theirs = await self._theirs()
            except Trouble:
                # Whoever needs the venue more often than this says so.
                theirs = None
            again = False
            if theirs is not None:
                # It tells whole seconds, at some time between the question and its answer.
                now = self._clock()
                seen = ClockSeen(now, theirs * SECOND - now, (theirs + 1) * SECOND - asked)
                again = self._correct(before, seen)
                before = seen
                self._tell([seen])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._jumped.wait(), RECHECK_S if again else COMPARE_S)

    def _correct(self, before: ClockSeen | None, seen: ClockSeen) -> bool:
        """Keep the stamps right; whether another reading is needed soon to know. A single one is never believed that the clocks differ."""
        if surely_off(seen) == 0:
            self._stamps.ahead = Nanos(0)
            return False
        both = agreed(before, seen)
        if both is not None:
            self._stamps.ahead = Nanos(0 if both[0] <= 0 <= both[1] else sum(both) // 2)
        return both is None
