"""How fast a tape is played."""

import asyncio
import time
from collections.abc import Callable

from pmm_tui.core.units import MILLI, SECOND, Nanos

NAP_S = 0.1
"""No single wait is longer, so that an operator's word is never kept waiting by a slow tape."""
LATE_NS = SECOND
"""A tape that fell this far behind goes on from where it is; it does not rush to catch up."""
BREATHE_NS = 5 * MILLI
"""Everything else in the process gets its turn this often."""


class Breath:
    """Lets other tasks run now and then, and costs next to nothing in between."""

    __slots__ = ("_at", "_clock")

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        """clock: nanoseconds that only grow; the monotonic one where none is given."""
        self._at = 0
        self._clock = clock or time.monotonic_ns

    async def take(self) -> None:
        """Let other tasks run, if that was long ago."""
        if self._clock() - self._at >= BREATHE_NS:
            await asyncio.sleep(0)
            self._at = self._clock()


class Pace:
    """The tape's seconds for each of ours, or 0 for as fast as it goes."""

    __slots__ = ("_breath", "_virtual", "_wall", "speed")

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._wall = 0
        self._virtual = 0
        self._breath = Breath()

    def change(self, speed: float) -> None:
        """Another speed from now on."""
        self.speed = speed
        self._wall = 0

    async def reached(self, due: Nanos) -> bool:
        """Wait for `due`, a little; False where it has not come yet: look whether anything else is to be done, then ask again."""
        if self.speed:
            now = time.monotonic_ns()
            ahead = (due - self._virtual) / self.speed - (now - self._wall)
            if not self._wall or ahead < -LATE_NS:
                self._wall, self._virtual = now, due
            elif ahead > MILLI:
                await asyncio.sleep(min(ahead / SECOND, NAP_S))
                return ahead <= NAP_S * SECOND
        await self._breath.take()
        return True


def parse_speed(text: str) -> float:
    """A tape's speed: a factor above 0, or 0 for `max`. ValueError for anything else."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 < speed <= 100_000:
        raise ValueError(f"speed: found {text[:20]!r}; allowed: a number from above 0 to 100000, or max")
    return speed


def speed_text(speed: float) -> str:
    """How a speed is written."""
    return f"{speed:g}" if speed else "max"
