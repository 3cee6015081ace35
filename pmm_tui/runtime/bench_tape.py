"""A generated tape of one market for measuring: seeded level changes and trades 10 ms apart, as facts and as the venue's own frames."""

from collections.abc import Iterator

from msgspec import Struct

from pmm_tui.core.events import BookChanged, BookReset, Event, Level, MarketListed, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.signals.checksum import book_hash
from pmm_tui.core.units import MILLI, Nanos, Price, Size, mirror, price_text, size_text
from pmm_tui.venues.paper.chance import Chance

TICK = Price(100)
STEP_NS = 10 * MILLI
START_AT = Nanos(1_790_000_000_000_000_000)
_DEEP = 30
"""Levels on each side at the start."""
_BEHIND = (0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8)
"""How many ticks behind the touch a level changes, drawn evenly."""
_LOW, _HIGH = 30, 70
"""Ticks within which the touch stays: a price near 0 or 1 would stop a desk from quoting, and measure nothing."""


def market(number: int = 0) -> Market:
    """A market like the venue's, with ids of their true lengths."""
    return Market(
        id=f"0x{number + 1:064x}",
        slug=f"bench-{number}",
        question="Does it go up?",
        yes=f"{45936375922793925919605092352922707796689801895417366600539442410775071000000 + number}",
        no=f"{86520121088881862182423437128238697252500151785248183602134095101149900000000 + number}",
        tick=TICK,
        min_size=Size(5_000_000),
        cluster=f"bench-{number}",
    )


class Walk:
    """A book that is never crossed, walking by seeded chance: one draw of 64 bits for each change, cut into what it decides."""

    def __init__(self, seed: int, terms: Market) -> None:
        self._chance = Chance(seed)
        self.market = terms
        self.bids = [0] * 101
        self.asks = [0] * 101
        """Sizes by price in ticks."""
        self.bid, self.ask = 49, 51
        self.at = START_AT
        self._owed: tuple[Side, int, int] | None = None
        """The level that the last trade took from: the next change says what is left of it."""
        for i in range(_DEEP):
            self.bids[self.bid - i] = self._lot(self._chance.bits())
            self.asks[self.ask + i] = self._lot(self._chance.bits())

    def opening(self) -> list[Event]:
        """The market and its whole book."""
        return [MarketListed(self.at, self.market), BookReset(self.at, self.market.id, self.at, *self.levels())]

    def levels(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks as facts have them, best last."""
        bids = tuple((Price(i * TICK), Size(size)) for i, size in enumerate(self.bids) if size)
        asks = tuple((Price(i * TICK), Size(self.asks[i])) for i in range(100, 0, -1) if self.asks[i])
        return bids, asks

    def change(self) -> BookChanged:
        """One level takes a new size, 10 ms after the event before."""
        self.at = at = Nanos(self.at + STEP_NS)
        side, price, size = self._owed or self._drawn()
        self._owed = None
        (self.bids if side is Side.BUY else self.asks)[price] = size
        while not self.bids[self.bid] or (self.bid < 99 and self.bids[self.bid + 1]):
            self.bid += 1 if self.bids[self.bid + 1] else -1
        while not self.asks[self.ask] or (self.ask > 1 and self.asks[self.ask - 1]):
            self.ask -= 1 if self.asks[self.ask - 1] else -1
        return BookChanged(at, self.market.id, at, ((side, Price(price * TICK), Size(size)),))

    def trade(self) -> Traded:
        """Somebody takes from the touch, at most what it shows."""
        self.at = at = Nanos(self.at + STEP_NS)
        bits = self._chance.bits()
        buys = bool(bits & 1)
        price, sizes = (self.ask, self.asks) if buys else (self.bid, self.bids)
        size = min(self._lot(bits >> 1), sizes[price])
        alone = self._last_one(buys, price)
        self._owed = (Side.SELL if buys else Side.BUY, price, max(sizes[price] - size, self._lot(bits >> 9) if alone else 0))
        return Traded(at, self.market.id, at, Price(price * TICK), Size(size), Side.BUY if buys else Side.SELL, price_text(price * TICK))

    def _drawn(self) -> tuple[Side, int, int]:
        bits = self._chance.bits()
        buys, behind, gone, inside = bool(bits & 1), _BEHIND[bits >> 1 & 15], bits >> 5 & 7 == 0, bits >> 8 & 3 == 0
        size = self._lot(bits >> 10)
        if inside and self.ask - self.bid > 1:
            return (Side.BUY, self.bid + 1, size) if buys else (Side.SELL, self.ask - 1, size)
        price = max(1, self.bid - behind) if buys else min(99, self.ask + behind)
        if gone and not (behind == 0 and self._last_one(not buys, price)):
            size = 0
        return (Side.BUY if buys else Side.SELL), price, size

    def _last_one(self, ask: bool, price: int) -> bool:
        """Whether a touch may not leave: the price would walk off, or the side would be empty."""
        return (price >= _HIGH or not any(self.asks[price + 1 :])) if ask else (price <= _LOW or not any(self.bids[:price]))

    @staticmethod
    def _lot(bits: int) -> int:
        """Shares in millionths: half of them round, half with two decimals, as the venue's are."""
        return (bits >> 1 & 63 or 64) * 25_000_000 if bits & 1 else (500 + (bits >> 1) % 100_000) * 10_000


def tape(seed: int, changes: int, trades: int, chunk: int = 10_000) -> Iterator[list[Event]]:
    """The facts of a whole tape in pieces, the opening first: so many level changes, with the trades spread evenly among them."""
    walk = Walk(seed, market())
    yield walk.opening()
    piece: list[Event] = []
    for i in range(changes):
        piece.append(walk.change())
        if (i + 1) * trades // changes > i * trades // changes:
            piece.append(walk.trade())
        if len(piece) >= chunk:
            yield piece
            piece = []
    if piece:
        yield piece


class Frames(Struct, frozen=True):
    """Frames of one market, exactly as the venue writes them, with true hashes."""

    market: Market
    book: str
    changes: list[str]
    """`price_change` frames: each one level, said for both tokens."""


def frames(seed: int, count: int) -> Frames:
    """A whole book and so many changes after it."""
    walk = Walk(seed, market())
    terms, last = walk.market, "0.500"
    opening = _book_frame(walk, last)
    texts = []
    for _ in range(count):
        event = walk.change()
        bids, asks = walk.levels()
        side, price, size = event.changes[0]
        entries = []
        for token, shown, told in ((terms.yes, price, side), (terms.no, mirror(price), side.other)):
            touch = (walk.bid, walk.ask) if token == terms.yes else (100 - walk.ask, 100 - walk.bid)
            said = book_hash(terms, token, event.ts, bids, asks, TICK, last)
            entries.append(
                f'{{"asset_id":"{token}","price":"{price_text(shown)}","size":"{size_text(size)}","side":"{told}","hash":"{said}",'
                f'"best_bid":"{price_text(touch[0] * TICK)}","best_ask":"{price_text(touch[1] * TICK)}"}}'
            )
        texts.append(
            f'{{"market":"{terms.id}","price_changes":[{",".join(entries)}],"timestamp":"{event.ts // MILLI}","event_type":"price_change"}}'
        )
    return Frames(terms, opening, texts)


def _book_frame(walk: Walk, last: str) -> str:
    bids, asks = walk.levels()
    terms = walk.market
    told = [",".join(f'{{"price":"{price_text(p)}","size":"{size_text(s)}"}}' for p, s in side) for side in (bids, asks)]
    return (
        f'{{"market":"{terms.id}","asset_id":"{terms.yes}","timestamp":"{walk.at // MILLI}",'
        f'"hash":"{book_hash(terms, terms.yes, walk.at, bids, asks, TICK, last)}","bids":[{told[0]}],"asks":[{told[1]}],'
        f'"tick_size":"{price_text(TICK)}","event_type":"book","last_trade_price":"{last}"}}'
    )
