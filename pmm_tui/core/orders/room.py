"""What may still fill: every live, cancelling, settling and uncertain order at its worst, beside the position."""

from collections.abc import Iterable

from msgspec import Struct

from pmm_tui.core.market import Market, Side
from pmm_tui.core.orders.life import Order
from pmm_tui.core.units import Cash, Size, pays


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

    def add(self, market: Market, token: str, side: Side, price: int, size: int) -> None:
        """Count one more order."""
        rises = (token == market.yes) is (side is Side.BUY)
        if rises:
            self.up = Size(self.up + size)
        else:
            self.down = Size(self.down + size)
        if side is Side.BUY:
            self.reserved = Cash(self.reserved + pays(price, size))
        elif token == market.yes:
            self.selling_yes = Size(self.selling_yes + size)
        else:
            self.selling_no = Size(self.selling_no + size)
        self.orders += 1


def room_of(market: Market, orders: Iterable[Order]) -> Room:
    """What the live orders of one market may still do."""
    room = Room()
    for order in orders:
        if order.rest:
            room.add(market, order.token, order.side, order.price, order.rest)
    return room
