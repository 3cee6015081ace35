"""What the paper exchange remembers of every order it was sent, for questions asked later."""

from collections import deque

from msgspec import structs

from pmm_tui.core.events import Event, FillSettled, OrderSeen
from pmm_tui.core.portfolio import REMEMBER_NS
from pmm_tui.core.units import Nanos, Size
from pmm_tui.venues.paper.account import Fill
from pmm_tui.venues.paper.fills import Resting

KEPT_NS = 2 * REMEMBER_NS
"""So long an order is remembered after its end: a desk asks for none that ended longer ago than REMEMBER_NS."""
KEPT_MOST = 10_000
"""So many that ended are remembered at most, the newest, however many a desk sends."""


class Register:
    """Open orders, and the fills of every order taken; a refused one is known too, so that sent again it is still refused."""

    __slots__ = ("_ended", "_fills", "open")

    def __init__(self) -> None:
        self.open: dict[int, Resting] = {}
        self._fills: dict[int, tuple[Fill, ...] | None] = {}
        """None: refused. Nearly all have none, and nothing stands for it: so many empty lists would be most of what a desk holds."""
        self._ended: deque[tuple[Nanos, int]] = deque(maxlen=KEPT_MOST + 1)
        """Those that are open no more, and when they ended, the oldest first."""

    def __contains__(self, order: int) -> bool:
        return order in self._fills

    def take(self, order: Resting) -> None:
        """The order is booked."""
        self.open[order.id] = order
        self._fills[order.id] = ()

    def refuse(self, order: int, at: Nanos) -> None:
        """The order is not booked, and never will be."""
        self._fills[order] = None
        self._age(order, at)

    def end(self, order: int, at: Nanos) -> None:
        """The order is open no more."""
        del self.open[order]
        self._age(order, at)

    def filled(self, order: int, fill: Fill) -> None:
        """One more fill of an open order."""
        fills = self._fills[order]
        if fills is not None:
            self._fills[order] = (*fills, fill)

    def matched(self, order: int) -> Size | None:
        """What was filled of an order in all; None where it was never booked."""
        fills = self._fills.get(order)
        return None if fills is None else Size(sum(fill.event.size for fill in fills))

    def seen(self, order: int) -> OrderSeen:
        """Its line in the account: open, done or absent."""
        matched = self.matched(order)
        if matched is None:
            return OrderSeen(order, "absent", Size(0))
        return OrderSeen(order, "open" if order in self.open else "done", matched)

    def story(self, order: int, at: Nanos) -> list[Event]:
        """Its fills again, under the same trade ids, each with its end on chain where that is known; told at `at`."""
        events: list[Event] = []
        for fill in self._fills.get(order) or ():
            events.append(structs.replace(fill.event, at=at))
            if fill.ok is not None:
                events.append(FillSettled(at, fill.event.trade, order, fill.ok))
        return events

    def _age(self, order: int, at: Nanos) -> None:
        self._ended.append((at, order))
        while self._ended[0][0] < at - KEPT_NS or len(self._ended) > KEPT_MOST:
            del self._fills[self._ended.popleft()[1]]
