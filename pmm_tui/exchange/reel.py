"""A recording, step by step: each with the recorded book after it, and with the prints of the trades that made it.

The print of a trade comes about 20 ms after the change of the book that the trade made (recordings of 2026-04). Played as received, a
trade would be seen twice, first as a cancel and then as a taker of what is left. A recording is known in advance, so a short stretch of it
is read ahead, and each print is moved to before its change. Frames that arrive late change nothing that was written later (core/book.py).
"""

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from pmm_tui.core.book import Book
from pmm_tui.core.events import BookChanged, BookReset, Event, MarketClosed, MarketListed, MarketResolved, TickSizeChanged, Traded
from pmm_tui.core.market import Side
from pmm_tui.core.units import LOT, MILLI, ONE, Nanos, Price, Size

LAG_NS = 150 * MILLI
"""How long after its change a print may be received."""
TYPICAL_NS = 20 * MILLI
"""How long after it the print is dated."""
Spot = tuple[Side, Price]
"""A level of a book, in YES terms."""
Told = BookChanged | BookReset | TickSizeChanged | Traded | MarketListed | MarketClosed | MarketResolved


class Played(Struct):
    """One step of a recording: the trades that made the change first, then the change."""

    at: Nanos
    """The recording's time; never runs backwards."""
    market: str
    ts: Nanos
    """Venue time; 0 where the fact has none."""
    fact: Told
    prints: list[Traded] = []
    """The trades that the fact's change shows already."""
    levels: dict[Spot, Size] = {}
    """What the fact touched, with the sizes that the recorded book has after it: every level, where it was a whole book."""
    drops: dict[Spot, int] = {}
    """By how much levels fell, less what the prints explain."""


def splice(facts: Iterable[Event]) -> Iterator[Played]:
    """The steps of a recording. Facts that are not about markets and their books are left out."""
    books: dict[str, Book] = {}
    waiting: deque[Played] = deque()
    at = Nanos(0)
    for fact in facts:
        if not isinstance(fact, Told):
            continue
        at = max(at, fact.at)
        while waiting and at - waiting[0].at > LAG_NS:
            yield waiting.popleft()
        if not isinstance(fact, Traded):
            waiting.append(_apply(books, fact, at))
        elif (cause := _cause(waiting, fact)) is not None:
            cause.prints.append(fact)
            spot = (fact.side.other, fact.price)
            left = cause.drops.pop(spot) - fact.size
            if left > LOT:
                cause.drops[spot] = left
        else:
            waiting.append(Played(at, fact.market, fact.ts, fact))
    yield from waiting


def _cause(waiting: Iterable[Played], told: Traded) -> Played | None:
    """The change that a print made: a level that fell by its size (told to 0.01 share), about 20 ms before; else by more, else by less."""
    spot, best, found = (told.side.other, told.price), (3, 0), None
    for step in waiting:
        drop = step.drops.get(spot, 0)
        if drop and step.market == told.market:
            unlike = 0 if abs(drop - told.size) <= LOT else 1 if drop > told.size else 2
            rank = (unlike, abs(told.ts - step.ts - TYPICAL_NS))
            if rank < best:
                best, found = rank, step
    return found


def _apply(books: dict[str, Book], fact: Told, at: Nanos) -> Played:
    """A fact moves its market's book."""
    if isinstance(fact, MarketListed):
        books.setdefault(fact.market.id, Book(fact.market.tick))
        return Played(at, fact.market.id, Nanos(0), fact)
    book = books.get(fact.market)
    if isinstance(fact, MarketResolved | MarketClosed) or book is None:
        books.pop(fact.market, None)
        return Played(at, fact.market, Nanos(0), fact)
    before: dict[Spot, Size] = {}
    after = before
    if isinstance(fact, BookChanged):
        changes = [change for change in fact.changes if 0 < change[1] < ONE]
        before = after = {(side, price): book.size_at(side, price) for side, price, _ in changes}
        for side, price, size in changes:
            book.change(side, price, size, fact.ts)
    elif isinstance(fact, BookReset):
        before = _whole(book)
        bids, asks = ([level for level in levels if 0 < level[0] < ONE] for levels in (fact.bids, fact.asks))
        book.reset(bids, asks, fact.ts, fact.tick)
        after = before | _whole(book)
    elif isinstance(fact, TickSizeChanged):
        book.retick(fact.tick)
    shown = {spot: book.size_at(*spot) for spot in after}
    drops = {spot: int(size - shown[spot]) for spot, size in before.items() if size > shown[spot]}
    return Played(at, fact.market, fact.ts, fact, [], shown, drops)


def _whole(book: Book) -> dict[Spot, Size]:
    return {(side, price): size for side in Side for price, size in book.levels(side, ONE)}
