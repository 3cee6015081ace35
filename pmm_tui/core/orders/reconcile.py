"""The difference between wishes and orders, in the fewest commands: dumb, last, and the same for every strategy."""

from msgspec import Struct

from pmm_tui.core.market import Side
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.quoting.quote import Quote

_OPEN, _SENT, _UNCERTAIN = Status.OPEN, Status.SENT, Status.UNCERTAIN
_BUY, _SELL = Side.BUY, Side.SELL


class Difference(Struct, frozen=True):
    """What to do so that the orders become the wishes: order ids to cancel, wishes to place, wishes that an order already serves."""

    cancel: tuple[Order, ...]
    place: tuple[Quote, ...]
    kept: int


def reconcile(quotes: list[Quote], live: list[Order], price_tolerance: int, size_tolerance_pct: float) -> Difference:
    """Match each wish that is not held with a live order of the same token and side.

    An order serves a wish when their prices differ by at most `price_tolerance` (Price units) and its rest is within
    `size_tolerance_pct` of the wish's size, so that quotes do not flicker and queue places are kept. An exact price wins over a near one.
    Orders already being cancelled, settling or uncertain serve nothing and are left alone: nothing new is placed at an uncertain
    order's price, for it may rest there already.
    """
    free = [order for order in live if order.status is _OPEN or order.status is _SENT]
    blocked = {(order.token, order.side, order.price) for order in live if order.status is _UNCERTAIN}
    wishes = [quote for quote in quotes if not quote.held]
    left: list[Quote] = []
    kept = 0
    for tolerance in (0, price_tolerance) if price_tolerance else (0,):
        left = []
        for quote in wishes:
            order = _serving(quote, free, tolerance, size_tolerance_pct)
            if order is None:
                left.append(quote)
            else:
                free.remove(order)
                kept += 1
        wishes = left
    place = tuple(quote for quote in left if (quote.token, quote.side, quote.price) not in blocked)
    return Difference(cancel=tuple(free), place=place, kept=kept)


def _serving(quote: Quote, free: list[Order], tolerance: int, size_tolerance_pct: float) -> Order | None:
    for order in free:
        if (
            order.token == quote.token
            and order.side is quote.side
            and order.kind is quote.kind
            and abs(order.price - quote.price) <= tolerance
            and abs(order.size - order.filled - quote.size) * 100 <= size_tolerance_pct * quote.size
        ):
            return order
    return None


def crosses_own(quote: Quote, live: list[Order], yes: str) -> bool:
    """Whether a new order could trade with one of our own, on either token: own YES bid + own NO bid must stay below a dollar."""
    bid, price = _in_yes(quote.token, quote.side, int(quote.price), yes)
    for order in live:
        other_bid, other = _in_yes(order.token, order.side, order.price, yes)
        if other_bid is not bid and (price >= other if bid else other >= price):
            return True
    return False


def _in_yes(token: str, side: Side, price: int, yes: str) -> tuple[bool, int]:
    """Whether this is a bid in YES terms, and its YES price."""
    if token == yes:
        return side is _BUY, price
    return side is _SELL, 10_000 - price
