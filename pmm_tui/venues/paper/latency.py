"""The roads between the desk and the simulated exchange: what is on its way, and when it arrives."""

from heapq import heappop, heappush
from typing import Generic, TypeVar

from pmm_tui.core.units import MILLI, Nanos

NEVER = Nanos(2**63 - 1)
"""Later than everything."""

Item = TypeVar("Item")


def nanos(ms: float) -> Nanos:
    """Milliseconds of a knob as integer time."""
    return Nanos(round(ms * MILLI))


class Road(Generic[Item]):
    """Things under way, in the order of their arrival; first sent, first there, where two arrive at once. `next` is the first arrival."""

    __slots__ = ("_count", "_heap", "next")

    def __init__(self) -> None:
        self._heap: list[tuple[Nanos, int, Item]] = []
        self._count = 0
        self.next = NEVER

    def put(self, at: Nanos, item: Item) -> None:
        """Send something that arrives at `at`."""
        heappush(self._heap, (at, self._count, item))
        self._count += 1
        self.next = self._heap[0][0]

    def take(self) -> tuple[Nanos, Item]:
        """What arrives first, and when; an IndexError where nothing is under way."""
        at, _, item = heappop(self._heap)
        self.next = self._heap[0][0] if self._heap else NEVER
        return at, item
