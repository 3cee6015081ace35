"""What may still fill: every live, cancelling, settling and uncertain order at its worst, beside the position."""

from collections.abc import Iterable

from msgspec import Struct

from pmm_tui.core.market import Market, Side
from pmm_tui.core.orders.life import Order
from pmm_tui.core.units import Cash, Size, pays

_BUY = Side.BUY


class Room(Struct):
    """One market's open promises: shares of YES, tokens and cash. Sells of YES and buys of NO lower the net; the others raise it."""

    up: Size = Size(0)
    """By how much the net YES position may still rise."""
    down: Size = Size(0)
    """By how much it may still fall."""
    selling_yes: Size = Size(0)
    selling_no: Size = Size(0)
    reserved: Cash = Cash(0)
    """Cash that resting buys may still take."""
    orders: int = 0


def room_of(market: Market, orders: Iterable[Order]) -> Room:
    """What the live orders of one market may still do. Each decision counts twice, and a desk decides at every move of the touch."""
    up = down = selling_yes = selling_no = reserved = count = 0
    for order in orders:
        size = order.rest
        if not size:
            continue
        count += 1
        yes, buys = order.token == market.yes, order.side is _BUY
        if yes is buys:
            up += size
        else:
            down += size
        if buys:
            reserved += pays(order.price, size)
        elif yes:
            selling_yes += size
        else:
            selling_no += size
    return Room(Size(up), Size(down), Size(selling_yes), Size(selling_no), Cash(reserved), count)
