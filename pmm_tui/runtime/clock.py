"""The desk's clock: the wall time of the start carried on by the monotonic clock, so that it never steps back."""

import time
from collections.abc import Callable

from pmm_tui.core.units import MILLI, Nanos

JUMP_MS = 1_000
"""The wall clock this far ahead is a machine that slept (its monotonic clock stood still), or a clock that was set."""


class Clock:
    """Nanoseconds since the epoch that only ever grow."""

    __slots__ = ("_base", "_monotonic", "_wall")

    def __init__(self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._base = wall() - monotonic()

    def __call__(self) -> Nanos:
        """Now."""
        return Nanos(self._base + self._monotonic())

    def catch_up(self) -> int:
        """Follow a wall clock that went far ahead, so that all data is as old as it is; the milliseconds jumped, 0 for none.

        A wall clock that went back is not followed: the facts' order is worth more than the hour.
        """
        ahead_ms = (self._wall() - self._base - self._monotonic()) // MILLI
        if ahead_ms < JUMP_MS:
            return 0
        self._base += ahead_ms * MILLI
        return ahead_ms
