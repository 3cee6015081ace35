"""An order's life as a table.

Theory of operation. An order is alive until its end is proven. The table says, for each status and each fact about the order, the next
status; a fact that is not in the table changes nothing (it is counted). Three rules stand beside the table because they need sizes:

- a fill that completes the order ends it, whatever its status was;
- a cancel that names more matched shares than we have seen filled leaves the order SETTLING, holding its room, until our fills add up;
- a fill of an order we believe DONE is still a fill: the portfolio books it, the order stays DONE.

SENT       we asked; the venue has not answered. A fill proves acceptance as well as an acceptance does.
OPEN       it rests, or may rest.
CANCELLING we asked for its end; until that is proven it can still fill.
UNCERTAIN  the answer never came, or proved nothing. It may rest, it may be filled, it may never have been. Only the account says which.
SETTLING   it rests no more, but fills are still owed to us.
DONE       nothing more will happen to it.
"""

from enum import StrEnum

from msgspec import Struct

from pmm_tui.core.events import Event, OrderAccepted, OrderCancelled, OrderFilled, OrderRejected, OrderUncertain
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import Nanos, Price, Size


class Status(StrEnum):
    """Where an order stands."""

    SENT = "SENT"
    OPEN = "OPEN"
    CANCELLING = "CANCELLING"
    UNCERTAIN = "UNCERTAIN"
    SETTLING = "SETTLING"
    DONE = "DONE"


NEXT: dict[Status, dict[type[Event], Status]] = {
    Status.SENT: {
        OrderAccepted: Status.OPEN,
        OrderFilled: Status.OPEN,
        OrderRejected: Status.DONE,
        OrderCancelled: Status.DONE,
        OrderUncertain: Status.UNCERTAIN,
    },
    Status.OPEN: {
        OrderAccepted: Status.OPEN,
        OrderFilled: Status.OPEN,
        OrderCancelled: Status.DONE,
    },
    Status.CANCELLING: {
        OrderAccepted: Status.CANCELLING,
        OrderFilled: Status.CANCELLING,
        OrderRejected: Status.DONE,
        OrderCancelled: Status.DONE,
        OrderUncertain: Status.CANCELLING,
    },
    Status.UNCERTAIN: {
        OrderAccepted: Status.OPEN,
        OrderFilled: Status.OPEN,
        OrderRejected: Status.DONE,
        OrderCancelled: Status.DONE,
        OrderUncertain: Status.UNCERTAIN,
    },
    Status.SETTLING: {
        OrderFilled: Status.SETTLING,
    },
    Status.DONE: {},
}

_DONE, _SETTLING = Status.DONE, Status.SETTLING
"""Looked up once: Python 3.11 takes longer to find a member of an enum than to do the rest of `Order.rest`."""

LIVE = frozenset({Status.SENT, Status.OPEN, Status.CANCELLING, Status.UNCERTAIN, Status.SETTLING})
"""Statuses whose rest may still become a position."""


class Order(Struct):
    """One order as the desk knows it."""

    id: int
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    kind: Kind
    strategy: str
    level: int
    sent_at: Nanos
    status: Status = Status.SENT
    filled: Size = Size(0)
    matched: Size = Size(0)
    """What the venue said was matched in all, once it said the order rests no more."""
    asked_at: Nanos = Nanos(0)
    """When we last asked the venue to cancel it or to say what became of it."""
    changed_at: Nanos = Nanos(0)
    accepted_at: Nanos = Nanos(0)
    """When the venue was first known to have it; 0 before that."""
    unsure_at: Nanos = Nanos(0)
    """Since when it is not known whether it rests: its end was asked for, or its beginning not answered; 0 while that is known."""
    ahead: Size = Size(-1)
    """What is at most ahead of it in the queue of its level, by the public book; -1 while unknown."""
    venue_id: str = ""
    why: str = ""
    """The last reason the venue gave."""

    @property
    def rest(self) -> Size:
        """What may still fill: nothing once DONE, what is owed once SETTLING, else all that is not filled."""
        status = self.status
        if status is _DONE:
            return Size(0)
        left = (self.matched if status is _SETTLING else self.size) - self.filled
        return Size(left if left > 0 else 0)


def move(order: Order, event: Event) -> bool:
    """Apply one fact to an order, by the table and the three rules; False where the table does not know the fact in this status."""
    following = NEXT[order.status].get(type(event))
    if isinstance(event, OrderFilled):
        order.filled = Size(order.filled + event.size)
    if following is None:
        return False
    if isinstance(event, OrderAccepted):
        order.venue_id = event.venue_id or order.venue_id
        if event.size:
            order.size = event.size
    elif isinstance(event, OrderCancelled):
        order.matched = event.matched
        order.why = event.reason
        if order.filled < event.matched:
            following = Status.SETTLING
    elif isinstance(event, OrderRejected | OrderUncertain):
        order.why = event.reason
    elif isinstance(event, OrderFilled) and (
        order.filled >= order.size or (order.status is Status.SETTLING and order.filled >= order.matched)
    ):
        following = Status.DONE
    if not order.accepted_at and isinstance(event, OrderAccepted | OrderFilled):
        order.accepted_at = event.at
    order.status = following
    if following in (Status.CANCELLING, Status.UNCERTAIN):
        order.unsure_at = order.unsure_at or event.at
    else:
        order.unsure_at = Nanos(0)
    order.changed_at = event.at
    return True
