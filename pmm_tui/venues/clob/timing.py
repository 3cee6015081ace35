"""Time, as orders need it: this machine's clock against the venue's, and whether the desk stood still."""

import asyncio
from collections.abc import Awaitable, Callable

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.venues.clob.links import Links
from pmm_tui.venues.clob.port import Trouble

COMPARE_S = 15.0
OFF_S = 2
"""The venue refuses what is stamped too far from its own time: beyond this no order leaves."""
LOOK_S = 0.25
STILL_S = 0.5
"""After a longer stall the desk's quotes, and the books that it would quote on, are of before it."""
RESUME_S = 1.0
"""So long the desk reads what waited meanwhile, before it quotes again."""


class Timing:
    """Keeps two links: `clock` is down while the clocks differ, `desk` after the desk stood still (a stall, a suspended machine)."""

    def __init__(self, links: Links, clock: Callable[[], Nanos], theirs: Callable[[], Awaitable[int]]) -> None:
        """theirs: asks for the venue's clock, whole seconds."""
        self._links = links
        self._clock = clock
        self._theirs = theirs
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
                self._links.down("desk", f"it stood still for {late_s:.1f} s")
            elif self._links.is_down("desk") and now - self._stood >= RESUME_S * SECOND:
                self._links.up("desk")

    async def compare(self) -> None:
        """Compare the clocks again and again until cancelled; what could not be asked is asked the next time."""
        while True:
            before = self._clock() / SECOND
            try:
                theirs = await self._theirs()
            except Trouble:
                # Whoever needs the venue more often than this says so.
                theirs = None
            if theirs is not None:
                # It tells whole seconds, at some time between the question and its answer.
                least, most = theirs - self._clock() / SECOND, theirs + 1 - before
                if least > OFF_S or most < -OFF_S:
                    self._links.down("clock", f"the venue's clock is {round((least + most) / 2):+d} s from ours")
                elif self._links.is_down("clock"):
                    self._links.up("clock")
            await asyncio.sleep(COMPARE_S)
