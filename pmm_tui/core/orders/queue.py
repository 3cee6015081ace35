"""Where our orders stand in the queue of their level, as far as a public book can tell: an estimate from above, never below.

What is ahead of us can only shrink: by trades at our price, and never to more than the level shows beside us. Cancels are taken to come
from behind us until the level is too small for that (the most careful of the known estimators).
"""

from collections.abc import Iterable

from pmm_tui.core.book import Book
from pmm_tui.core.events import Change, Traded
from pmm_tui.core.market import Side
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.units import ONE, Price, Size

_BUY, _SELL = Side.BUY, Side.SELL
UNKNOWN = Size(-1)


def level_of(order: Order, yes: str) -> tuple[Side, Price]:
    """The side and price of the YES book at which an order stands."""
    if order.token == yes:
        return order.side, order.price
    return (_SELL if order.side is _BUY else _BUY), Price(ONE - order.price)


def joined(order: Order, book: Book, yes: str, ours_in_book: bool) -> None:
    """It rests from now on: all that its level shows is ahead of it, itself not counted where the book may show it already."""
    side, price = level_of(order, yes)
    shown = book.size_at(side, price)
    order.ahead = Size(max(0, shown - order.rest)) if ours_in_book else shown


def changed(orders: Iterable[Order], changes: Iterable[Change], yes: str, ours_in_book: bool) -> None:
    """Levels took new sizes: no more can be ahead of us than the level shows beside us."""
    for order in orders:
        if order.ahead > 0:
            side, price = level_of(order, yes)
            for moved, level, size in changes:
                if level == price and moved is side:
                    left = size - order.rest if ours_in_book else size
                    order.ahead = Size(max(0, min(order.ahead, left)))


def replaced(orders: Iterable[Order], book: Book, yes: str, ours_in_book: bool) -> None:
    """A whole book came: the same for every level of ours."""
    for order in orders:
        if order.ahead > 0:
            side, price = level_of(order, yes)
            left = book.size_at(side, price) - (order.rest if ours_in_book else 0)
            order.ahead = Size(max(0, min(order.ahead, left)))


def traded(orders: Iterable[Order], event: Traded, yes: str) -> None:
    """Somebody took at a price: what was ahead of us there went first; through our price, all of it."""
    for order in orders:
        if order.ahead > 0 and order.status is not Status.SENT:
            side, price = level_of(order, yes)
            if side is event.side:
                continue  # the taker was on our own side
            through = event.price < price if side is _BUY else event.price > price
            if through:
                order.ahead = Size(0)
            elif event.price == price:
                order.ahead = Size(max(0, order.ahead - event.size))
