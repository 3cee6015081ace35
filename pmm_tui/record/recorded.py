"""A tape's frames as facts: each decoded as it would be live, stamped with the time it was received."""

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from msgspec import structs

from pmm_tui.core.book import Book
from pmm_tui.core.events import BookChanged, BookReset, Event, MarketClosed, MarketListed, MarketResolved, TickSizeChanged
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import SECOND, Nanos, Price
from pmm_tui.feeds.gamma import market_of, payout_of, read
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.tape import GAMMA, MARKET, REST, TapeFrame


class _Listings:
    """What Gamma has said so far: a fact is told once, and again only when it changes."""

    __slots__ = ("_decoder", "_ended", "_listed", "_wanted")

    def __init__(self, decoder: Decoder, wanted: Collection[str]) -> None:
        self._decoder = decoder
        self._wanted = wanted
        self._listed: dict[str, Market] = {}
        self._ended: dict[str, MarketClosed | MarketResolved] = {}

    def hear(self, raw: str, at: Nanos) -> Event | None:
        """The news in one Gamma object, if any; ValueError where it cannot be read."""
        said = read(raw)
        market = market_of(said)
        if not _wants(self._wanted, market):
            return None
        if said.closed:
            return self._end(market, payout_of(said), at)
        if self._listed.get(market.id) == market:
            return None
        self._listed[market.id] = market
        self._decoder.know(market)
        return MarketListed(at, market)

    def _end(self, market: Market, payout: Price | None, at: Nanos) -> Event | None:
        before = self._ended.get(market.id)
        if isinstance(before, MarketResolved) or (before is not None and payout is None):
            return None
        end = MarketClosed(at, market.id) if payout is None else MarketResolved(at, market.id, payout)
        self._ended[market.id] = end
        return end


def _wants(wanted: Collection[str], market: Market) -> bool:
    names = (market.slug, market.id, market.yes, market.no)
    return not wanted or "auto" in wanted or any(name in names or fnmatchcase(market.slug, name) for name in wanted)


def begin_at(told: Iterable[Event], seconds: float) -> Iterator[Event]:
    """The same facts from so many seconds after the first one on: before them what was listed, and each book as it is by then."""
    books: dict[str, Book] = {}
    listed: dict[str, MarketListed] = {}
    begin = Nanos(0)
    for fact in told:
        begin = begin or Nanos(fact.at + int(seconds * SECOND))
        if fact.at >= begin:
            for market in listed.values():
                yield structs.replace(market, at=begin)
            for name, book in books.items():
                bids, asks = (tuple(reversed(book.levels(side, 10_000))) for side in (Side.BUY, Side.SELL))
                yield BookReset(begin, name, book.ts, bids, asks)
            books, listed = {}, {}
            yield fact
        elif isinstance(fact, MarketListed):
            listed[fact.market.id] = fact
            books.setdefault(fact.market.id, Book(fact.market.tick))
        elif isinstance(fact, MarketResolved | MarketClosed):
            listed.pop(fact.market, None)
            books.pop(fact.market, None)
        elif isinstance(fact, BookReset) and fact.market in books:
            books[fact.market].reset(fact.bids, fact.asks, fact.ts, fact.tick)
        elif isinstance(fact, BookChanged) and fact.market in books:
            for side, price, size in fact.changes:
                books[fact.market].change(side, price, size, fact.ts)
        elif isinstance(fact, TickSizeChanged) and fact.market in books:
            books[fact.market].retick(fact.tick)


def facts(frames: Iterable[TapeFrame], decoder: Decoder, wanted: Collection[str] = ()) -> Iterator[Event]:
    """The facts of a tape in the order they were received; `at` is the recorded time and never runs backwards.

    A Gamma object lists its market, closes it, or resolves it once its result is certain. `wanted` names markets by slug, series
    (btc-updown-15m-*), condition id or token id; nothing, or "auto", means all. A frame that cannot be read is counted as malformed by
    the decoder, one of an unknown channel as ignored; neither ends the tape.
    """
    listings = _Listings(decoder, wanted)
    at = Nanos(0)
    for frame in frames:
        at = max(at, frame.at)  # a clock that was set back while recording: the order of receipt is what is true
        if frame.channel == MARKET:
            yield from decoder.decode(frame.raw, at)
            continue
        if frame.channel == GAMMA:
            try:
                news = listings.hear(frame.raw, at)
            except ValueError:
                decoder.malformed += 1
                continue
            if news is not None:
                yield news
        elif frame.channel == REST:
            try:
                yield decoder.rest_book(frame.raw, at)
            except ValueError:
                continue  # the decoder has counted it
        else:
            decoder.ignored["channel"] = decoder.ignored.get("channel", 0) + 1
