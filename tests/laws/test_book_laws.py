"""Laws of the book, and of its judge, over made-up streams of a venue that hashes as the real one does."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pmm_tui.core.book import Book
from pmm_tui.core.events import BookChanged, BookReset, Event, Level
from pmm_tui.core.market import Market, Side
from pmm_tui.core.signals.checksum import book_hash
from pmm_tui.core.signals.integrity import Integrity
from pmm_tui.core.units import MILLI, ONE, SECOND, SHARE, TICKS, Nanos, Price, Size, mirror, price_text, size_text
from pmm_tui.feeds.wire import Decoder

MARKET = Market(id="0xm", slug="m", question="?", yes="111", no="222", tick=Price(100), min_size=Size(5 * SHARE))
START = 1_776_808_414_000

ticks = st.sampled_from(TICKS)
sides = st.sampled_from(list(Side))
sizes = st.integers(0, 40).map(lambda n: Size(n * SHARE // 4))


Step = tuple[Side, Price, Size]


def prices(tick: int = 100) -> st.SearchStrategy[Price]:
    return st.integers(1, ONE // tick - 1).map(lambda i: Price(i * tick))


def levels() -> st.SearchStrategy[list[Level]]:
    return st.dictionaries(prices(), sizes.filter(bool), max_size=12).map(lambda book: sorted(book.items()))


changes = st.tuples(sides, prices(), sizes)


def contents(book: Book) -> tuple[object, ...]:
    return book.levels(Side.BUY, 10_000), book.levels(Side.SELL, 10_000), book.bid, book.ask, book.bid_size, book.ask_size


class Truth:
    """The venue's own book: what it sends, in its order, one frame a millisecond or two, with true hashes."""

    def __init__(self, bids: list[Level], asks: list[Level], last: str = "0.500") -> None:
        self.sides = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
        self.ms = START
        self.last = last
        self.sent: list[BookReset | BookChanged] = [self.book(MARKET.yes)]

    def hash(self, token: str) -> str:
        bids, asks = self.wire()
        return book_hash(MARKET, token, Nanos(self.ms * MILLI), bids, asks, MARKET.tick, self.last)

    def wire(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        return tuple(sorted(self.sides[Side.BUY].items())), tuple(sorted(self.sides[Side.SELL].items(), reverse=True))

    def book(self, token: str) -> BookReset:
        ts = Nanos(self.ms * MILLI)
        bids, asks = self.wire()
        return BookReset(ts, MARKET.id, ts, bids, asks, token, self.hash(token), last=self.last)

    def change(self, side: Side, price: Price, size: Size) -> BookChanged:
        if size:
            self.sides[side][price] = size
        else:
            self.sides[side].pop(price, None)
        ts = Nanos(self.ms * MILLI)
        return BookChanged(ts, MARKET.id, ts, ((side, price, size),), self.hash(MARKET.yes), self.hash(MARKET.no))

    def run(self, steps: list[tuple[Step, bool]]) -> None:
        for change, book_too in steps:
            self.ms += 1
            self.sent.append(self.change(*change))
            if book_too:
                self.sent.extend((self.book(MARKET.yes), self.book(MARKET.no)))


Stream = tuple[Truth, list[tuple[Step, bool]]]
streams = st.builds(
    lambda bids, asks, steps: (Truth(bids, asks), steps), levels(), levels(), st.lists(st.tuples(changes, st.booleans()), max_size=25)
)


def applied(frames: list[BookReset | BookChanged]) -> Book:
    book = Book(MARKET.tick)
    for frame in frames:
        if isinstance(frame, BookReset):
            book.reset(frame.bids, frame.asks, frame.ts)
        else:
            for side, price, size in frame.changes:
                book.change(side, price, size, frame.ts)
    return book


@pytest.mark.fault("F06")
@given(streams, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_book(stream: Stream, chance: Random) -> None:
    truth, steps = stream
    truth.run(steps)
    shuffled = truth.sent[1:]
    chance.shuffle(shuffled)
    book = applied([truth.sent[0], *shuffled])
    bids, asks = truth.wire()
    assert book.levels(Side.BUY, 10_000) == list(reversed(bids))
    assert book.levels(Side.SELL, 10_000) == list(reversed(asks))


@given(levels(), levels(), st.lists(st.tuples(changes, st.integers(0, 5)), max_size=20))
def test_the_best_prices_are_those_of_the_levels(bids: list[Level], asks: list[Level], steps: list[tuple[Step, int]]) -> None:
    book = Book(MARKET.tick)
    book.reset(bids, asks, Nanos(0))
    for (side, price, size), late in steps:
        before = contents(book)[2:]
        moved = book.change(side, price, size, Nanos(book.ts + 3 - late))
        assert moved is (contents(book)[2:] != before)
        there = book.levels(Side.BUY, 10_000), book.levels(Side.SELL, 10_000)
        assert book.bid == max((p for p, _ in there[0]), default=0)
        assert book.ask == min((p for p, _ in there[1]), default=ONE)


@pytest.mark.fault("F05")
@given(levels(), levels(), changes)
def test_a_change_twice_is_a_change_once(bids: list[Level], asks: list[Level], change: Step) -> None:
    book = Book(MARKET.tick)
    book.reset(bids, asks, Nanos(0))
    book.change(*change, Nanos(1))
    once = contents(book)
    assert not book.change(*change, Nanos(1))
    assert contents(book) == once


@given(ticks, ticks, st.data())
def test_a_new_tick_moves_no_level(first: Price, then: Price, data: st.DataObject) -> None:
    book = Book(first)
    for ts, price in enumerate(data.draw(st.lists(prices(first), max_size=8)), 1):
        book.change(data.draw(sides), price, Size(ts), Nanos(ts))
    before = contents(book)
    book.retick(then)
    assert contents(book) == before
    assert book.tick == then


@given(ticks, st.integers(1, ONE - 1), sides)
def test_every_price_is_held_as_it_is(tick: Price, price: int, side: Side) -> None:
    book = Book(tick)
    book.change(side, Price(price), Size(7), Nanos(1))
    assert book.levels(side, 9) == [(price, 7)]
    assert book.tick == tick


@given(levels(), levels(), st.dictionaries(prices(), sizes, max_size=5), st.dictionaries(prices(), sizes, max_size=5))
def test_the_touch_without_us_is_the_touch_of_the_others(
    bids: list[Level], asks: list[Level], our_bids: dict[Price, Size], our_asks: dict[Price, Size]
) -> None:
    both, others = Book(MARKET.tick), Book(MARKET.tick)
    both.reset(bids, asks, Nanos(0))
    their_bids, their_asks = ([(p, Size(max(0, s - o.get(p, 0)))) for p, s in side] for side, o in ((bids, our_bids), (asks, our_asks)))
    others.reset(their_bids, their_asks, Nanos(0))
    assert both.touch_without(our_bids, our_asks) == (others.bid, others.bid_size, others.ask, others.ask_size)


@given(levels(), levels(), st.lists(changes, min_size=1, max_size=8))
def test_the_no_book_is_the_yes_book_mirrored(bids: list[Level], asks: list[Level], steps: list[Step]) -> None:
    decoder = Decoder()
    decoder.know(MARKET)
    books = []
    for token in (MARKET.yes, MARKET.no):
        own = token == MARKET.yes
        said = {"bids": bids, "asks": asks} if own else {"bids": asks, "asks": bids}
        wire = {
            side: [{"price": price_text(p if own else mirror(p)), "size": size_text(s)} for p, s in levels] for side, levels in said.items()
        }
        entries = [
            {
                "asset_id": token,
                "price": price_text(p if own else mirror(p)),
                "size": size_text(s),
                "side": side if own else side.other,
                "hash": f"h{i}",
            }
            for i, (side, p, s) in enumerate(steps)
        ]
        frames = [
            {"event_type": "book", "market": MARKET.id, "asset_id": token, "timestamp": "1000", "hash": "h", **wire},
            {"event_type": "price_change", "market": MARKET.id, "timestamp": "1001", "price_changes": entries},
        ]
        facts = [fact for frame in frames for fact in decoder.decode(json.dumps(frame), Nanos(1))]
        books.append(contents(applied([fact for fact in facts if isinstance(fact, BookReset | BookChanged)])))
    assert decoder.malformed == 0
    assert books[0] == books[1]


def judged(frames: list[BookReset | BookChanged], delays: list[int]) -> Integrity:
    """Judge frames that arrive each some milliseconds after the venue sent it, looking every 7 ms."""
    late = [replace(f, at=Nanos(f.ts + delays[i % len(delays)] * MILLI)) for i, f in enumerate(frames)] if delays else frames
    arriving: list[Event] = [frames[0], *sorted(late[1:], key=lambda event: event.at)]
    integrity = Integrity(MARKET)
    looked = 0
    for event in arriving:
        integrity.frame(event)
        if event.at - looked >= 7 * MILLI:
            integrity.judge(event.at)
            looked = event.at
    integrity.judge(Nanos(arriving[-1].at + SECOND))
    return integrity


@given(streams, st.lists(st.integers(0, 49), min_size=1, max_size=12))
def test_every_hash_verifies_while_frames_are_late_within_the_window(stream: Stream, delays: list[int]) -> None:
    truth, steps = stream
    truth.run(steps)
    integrity = judged(truth.sent, delays)
    said = sum(1 if isinstance(frame, BookReset) else 2 for frame in truth.sent)
    assert (integrity.verified, integrity.mismatched, integrity.unverifiable, integrity.streak) == (said, 0, 0, 0)


@given(levels(), levels(), st.lists(changes, min_size=30, max_size=30))
def test_a_lost_change_is_seen(bids: list[Level], asks: list[Level], steps: list[Step]) -> None:
    truth = Truth(bids, asks)
    truth.run([((Side.BUY, Price(9_900), Size(77)), False)])
    lost = truth.sent.pop()
    assert isinstance(lost, BookChanged)
    truth.ms += 1_000
    truth.run([(change, False) for change in steps if change[:2] != (Side.BUY, 9_900)])
    integrity = judged(truth.sent, [])
    changed = len(truth.sent) - 1
    assert (integrity.verified, integrity.mismatched) == (1, 2 * changed)
    assert integrity.streak == integrity.mismatched
