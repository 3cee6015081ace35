"""The desk's clock: the wall time of the start carried on by the monotonic clock, so that it never steps back."""

import time

from pmm_tui.core.units import Nanos


class Clock:
    """Nanoseconds since the epoch that only ever grow."""

    __slots__ = ("_base",)

    def __init__(self) -> None:
        self._base = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> Nanos:
        """Now."""
        return Nanos(self._base + time.monotonic_ns())

    def drift_ms(self) -> int:
        """How far the wall clock has been moved since the start, milliseconds: a sign of a step or a suspended machine."""
        return (time.time_ns() - self._base - time.monotonic_ns()) // 1_000_000
