"""The book: levels, touch, order of writers and grids, on books drawn as small pictures."""

import pytest

from pmm_tui.core.book import Book
from pmm_tui.core.events import Level
from pmm_tui.core.market import Side
from pmm_tui.core.units import ONE, SHARE, TICKS, Nanos, Price, Size, price_of, price_text, size_of, size_text

CENT = Price(100)
BUY, SELL = Side.BUY, Side.SELL

PLAIN = """
    ask 0.55  30
    ask 0.53  200
    ---
    bid 0.51  100
    bid 0.5   40.5
    bid 0.01  12329.83
"""


def levels_of(picture: str) -> tuple[list[Level], list[Level]]:
    """Bids and asks of a picture: one level a line."""
    bids: list[Level] = []
    asks: list[Level] = []
    for line in picture.split("\n"):
        if words := line.split():
            if words[0] == "---":
                continue
            (bids if words[0] == "bid" else asks).append((price_of(words[1]), size_of(words[2])))
    return bids, asks


def book_of(picture: str, ts: int = 1_000, tick: Price = CENT) -> Book:
    book = Book(tick)
    assert book.reset(*levels_of(picture), Nanos(ts))
    return book


def picture_of(book: Book) -> list[str]:
    asks = [f"ask {price_text(p)} {size_text(s)}" for p, s in reversed(book.levels(SELL, 10_000))]
    return [*asks, "---", *(f"bid {price_text(p)} {size_text(s)}" for p, s in book.levels(BUY, 10_000))]


def lines(picture: str) -> list[str]:
    return [" ".join(line.split()) for line in picture.split("\n") if line.split()]


def test_a_book_is_what_was_put_in() -> None:
    book = book_of(PLAIN)
    assert picture_of(book) == lines(PLAIN)
    assert (book.bid, book.bid_size, book.ask, book.ask_size) == (5100, 100 * SHARE, 5300, 200 * SHARE)
    assert (book.two_sided, book.crossed, book.ts, book.tick) == (True, False, 1_000, 100)


def test_levels_may_come_in_any_order_and_empty_ones_are_no_levels() -> None:
    bids, asks = levels_of(PLAIN)
    book = Book(CENT)
    book.reset([*reversed(bids), (Price(5200), Size(0))], asks[::-1], Nanos(5))
    assert picture_of(book) == lines(PLAIN)


def test_an_empty_book_has_no_touch() -> None:
    book = Book(CENT)
    assert (book.bid, book.bid_size, book.ask, book.ask_size) == (0, 0, ONE, 0)
    assert (book.two_sided, book.crossed, book.levels(BUY, 5), book.levels(SELL, 5)) == (False, False, [], [])
    assert book.touch_without({}, {}) == (0, 0, ONE, 0)
    for number in (book.mid, book.micro, book.imbalance):
        with pytest.raises(ValueError, match="both sides"):
            number()


def test_a_one_sided_book_has_no_mid() -> None:
    book = book_of("bid 0.4 10")
    assert (book.bid, book.ask, book.two_sided, book.crossed) == (4000, ONE, False, False)
    with pytest.raises(ValueError, match="both sides"):
        book.mid()


@pytest.mark.parametrize(
    ("side", "price", "size", "touch", "after"),
    [
        (BUY, 5100, 90, True, (5100, 90, 5300, 200)),
        (BUY, 5100, 100, False, (5100, 100, 5300, 200)),
        (BUY, 5100, 0, True, (5000, 40.5, 5300, 200)),
        (BUY, 5200, 5, True, (5200, 5, 5300, 200)),
        (BUY, 5200, 0, False, (5100, 100, 5300, 200)),
        (BUY, 5000, 0, False, (5100, 100, 5300, 200)),
        (BUY, 4900, 7, False, (5100, 100, 5300, 200)),
        (SELL, 5300, 90, True, (5100, 100, 5300, 90)),
        (SELL, 5300, 200, False, (5100, 100, 5300, 200)),
        (SELL, 5300, 0, True, (5100, 100, 5500, 30)),
        (SELL, 5200, 5, True, (5100, 100, 5200, 5)),
        (SELL, 5200, 0, False, (5100, 100, 5300, 200)),
        (SELL, 5500, 0, False, (5100, 100, 5300, 200)),
        (SELL, 9900, 7, False, (5100, 100, 5300, 200)),
    ],
)
def test_a_change_says_whether_it_moved_the_touch(
    side: Side, price: int, size: int, touch: bool, after: tuple[int, float, int, float]
) -> None:
    book = book_of(PLAIN)
    assert book.change(side, Price(price), Size(size * SHARE), Nanos(2_000)) is touch
    assert (book.bid, book.bid_size / SHARE, book.ask, book.ask_size / SHARE) == after
    assert book.size_at(side, Price(price)) == size * SHARE


def test_taking_the_last_level_empties_a_side() -> None:
    book = book_of("ask 0.6 1\nbid 0.4 1")
    assert book.change(BUY, Price(4000), Size(0), Nanos(2_000))
    assert book.change(SELL, Price(6000), Size(0), Nanos(2_000))
    assert (book.bid, book.ask) == (0, ONE)


def test_an_older_writer_of_a_level_changes_nothing_and_is_counted() -> None:
    book = book_of(PLAIN)
    book.change(BUY, Price(4000), Size(5), Nanos(3_000))
    assert not book.change(BUY, Price(4000), Size(9), Nanos(2_999))
    book.change(SELL, Price(6000), Size(5), Nanos(3_000))
    assert not book.change(SELL, Price(6000), Size(9), Nanos(2_999))
    assert (book.size_at(BUY, Price(4000)), book.size_at(SELL, Price(6000)), book.stale_frames) == (5, 5, 2)
    book.change(BUY, Price(4100), Size(6), Nanos(2_500))
    assert (book.size_at(BUY, Price(4100)), book.ts) == (6, 3_000), "older than the book, but the newest writer of its own level"


def test_a_removed_level_is_remembered_as_written() -> None:
    book = book_of(PLAIN)
    book.change(BUY, Price(5100), Size(0), Nanos(3_000))
    assert not book.change(BUY, Price(5100), Size(9), Nanos(2_000))
    assert book.bid == 5000


def test_two_changes_of_one_time_apply_as_they_arrive() -> None:
    book = book_of(PLAIN)
    book.change(BUY, Price(4000), Size(5), Nanos(3_000))
    book.change(BUY, Price(4000), Size(9), Nanos(3_000))
    assert book.size_at(BUY, Price(4000)) == 9


def test_a_book_comes_after_the_changes_of_its_millisecond() -> None:
    book = book_of(PLAIN, ts=3_000_000)
    assert not book.change(BUY, Price(4000), Size(5), Nanos(3_000_000))
    assert not book.change(SELL, Price(5300), Size(5), Nanos(2_000_000))
    assert picture_of(book) == lines(PLAIN)
    assert book.stale_frames == 2
    book.change(BUY, Price(4000), Size(5), Nanos(4_000_000))
    assert book.size_at(BUY, Price(4000)) == 5


def test_a_book_older_than_what_is_applied_changes_nothing() -> None:
    book = book_of(PLAIN)
    book.change(BUY, Price(5100), Size(7), Nanos(2_000))
    before = picture_of(book)
    assert not book.reset([], [], Nanos(1_999), Price(10))
    assert (picture_of(book), book.tick, book.ts, book.stale_frames) == (before, 100, 2_000, 1)
    assert book.reset([], [], Nanos(2_000)), "as old as the newest change is not older"
    assert picture_of(book) == ["---"]


def test_the_first_whole_book_is_never_too_old() -> None:
    book = Book(CENT)
    book.change(BUY, Price(5200), Size(7), Nanos(3_000))
    book.change(SELL, Price(5300), Size(0), Nanos(1_500))
    assert book.reset(*levels_of(PLAIN), Nanos(2_000), Price(10)), "changes overtook it"
    assert picture_of(book) == lines(PLAIN.replace("---", "---\nbid 0.52 0.000007"))
    assert (book.bid, book.tick, book.ts, book.stale_frames) == (5200, 10, 3_000, 0)
    assert not book.reset([], [], Nanos(2_500)), "the second one may be"


def test_a_late_book_repairs_what_nobody_has_written_since() -> None:
    book = book_of(PLAIN)
    book.change(BUY, Price(5200), Size(7), Nanos(3_000))
    late = levels_of("ask 0.55 30\nask 0.54 8\nbid 0.51 60\nbid 0.5 40.5\nbid 0.01 12329.83")
    assert not book.reset(*late, Nanos(2_000))
    assert book.repair(*late, Nanos(2_000)) == 3
    assert picture_of(book)[:4] == ["ask 0.55 30", "ask 0.54 8", "---", "bid 0.52 0.000007"]
    assert (book.ask, book.size_at(BUY, Price(5100)), book.ts) == (5400, 60 * SHARE, 3_000)
    assert book.repair(*late, Nanos(2_000)) == 0
    assert not book.change(SELL, Price(5300), Size(1), Nanos(1_500)), "the late book was as of 2,000"


def test_a_late_book_on_a_finer_grid_is_held_and_a_wrong_one_refused() -> None:
    book = book_of(PLAIN)
    book.change(BUY, Price(5200), Size(7), Nanos(3_000))
    assert book.repair([(Price(5151), Size(9))], [], Nanos(2_000)) == 6
    assert book.levels(BUY, 9) == [(5200, 7), (5151, 9)]
    with pytest.raises(ValueError, match="inside"):
        book.repair([(Price(0), Size(9))], [], Nanos(2_500))


@pytest.mark.parametrize("tick", TICKS)
def test_every_tick_of_the_venue(tick: Price) -> None:
    book = Book(tick)
    low, high = tick, Price(ONE - tick)
    assert book.reset([(low, Size(1))], [(high, Size(2))], Nanos(1))
    assert (book.bid, book.ask) == (low, high)
    for price in (low, high):
        book.change(BUY, price, Size(0), Nanos(2))
        book.change(SELL, price, Size(0), Nanos(2))
    assert (book.bid, book.ask, book.tick) == (0, ONE, tick)
    book.change(SELL, low, Size(3), Nanos(3))
    assert (book.ask, book.ask_size) == (low, 3)


@pytest.mark.parametrize("tick", [0, -100, 3, 200, 10_000])
def test_a_tick_the_venue_does_not_have_is_refused(tick: int) -> None:
    with pytest.raises(ValueError, match="tick"):
        Book(Price(tick))
    with pytest.raises(ValueError, match="tick"):
        book_of(PLAIN).retick(Price(tick))
    if tick:
        with pytest.raises(ValueError, match="tick"):
            book_of(PLAIN).reset([], [], Nanos(2_000), Price(tick))


@pytest.mark.parametrize(("price", "size"), [(0, 1), (ONE, 1), (-100, 1), (ONE + 100, 1), (5000, -1)])
def test_what_is_no_level_is_refused_and_changes_nothing(price: int, size: int) -> None:
    book = book_of(PLAIN)
    for side in Side:
        with pytest.raises(ValueError, match="level"):
            book.change(side, Price(price), Size(size), Nanos(2_000))
    bad = [(Price(price), Size(size))]
    for bids, asks in ((bad, bad[:0]), (bad[:0], bad)):
        with pytest.raises(ValueError, match="outside"):
            book.reset(bids, asks, Nanos(2_000))
    assert (picture_of(book), book.ts) == (lines(PLAIN), 1_000)


def test_a_price_between_the_ticks_refines_the_grid_and_is_never_rounded() -> None:
    book = book_of(PLAIN)
    assert book.change(BUY, Price(5105), Size(3), Nanos(2_000))
    assert (book.bid, book.bid_size, book.tick) == (5105, 3, 100), "the tick is the venue's to change"
    assert book.size_at(BUY, Price(5100)) == 100 * SHARE
    assert book.ask == 5300
    assert not book.change(SELL, Price(5250), Size(3), Nanos(999)), "as old as the whole book that had no such level"
    assert book.change(SELL, Price(5251), Size(3), Nanos(2_001))
    assert [p for p, _ in book.levels(SELL, 9)] == [5251, 5300, 5500]


def test_a_book_may_come_at_a_new_tick_before_the_tick_does() -> None:
    book = book_of(PLAIN)
    assert book.reset([(Price(9620), Size(1)), (Price(9615), Size(1))], [(Price(9630), Size(1))], Nanos(2_000))
    assert (book.bid, book.ask, book.tick, book.size_at(BUY, Price(9615))) == (9620, 9630, 100, 1)
    book.retick(Price(10))
    assert (book.bid, book.ask, book.tick) == (9620, 9630, 10)


def test_a_new_tick_keeps_every_level_and_its_writer() -> None:
    book = book_of(PLAIN)
    book.change(BUY, Price(4000), Size(5), Nanos(3_000))
    for tick in (Price(10), Price(1), Price(50), Price(1_000), Price(25), Price(100)):
        book.retick(tick)
        assert book.tick == tick
        assert [p for p, _ in book.levels(BUY, 9)] == [5100, 5000, 4000, 100]
        assert not book.change(BUY, Price(4000), Size(9), Nanos(2_999))
    assert (book.bid, book.ask) == (5100, 5300)


def test_a_book_says_its_tick() -> None:
    book = book_of(PLAIN)
    assert book.reset([(Price(5_000), Size(1))], [], Nanos(2_000), Price(1_000))
    assert (book.tick, book.bid) == (1_000, 5_000)


def test_depth_counts_from_the_best_to_a_price_and_includes_it() -> None:
    book = book_of(PLAIN)
    assert book.depth(BUY, Price(5000)) == size_of("140.5")
    assert book.depth(BUY, Price(5001)) == 100 * SHARE
    assert book.depth(BUY, Price(0)) == size_of("12470.33")
    assert book.depth(BUY, Price(5200)) == 0
    assert book.depth(SELL, Price(5300)) == 200 * SHARE
    assert book.depth(SELL, Price(5499)) == 200 * SHARE
    assert book.depth(SELL, ONE) == 230 * SHARE
    assert book.depth(SELL, Price(5200)) == 0


def test_levels_stop_at_the_depth_asked_for() -> None:
    book = book_of(PLAIN)
    assert book.levels(BUY, 2) == [(5100, 100 * SHARE), (5000, size_of("40.5"))]
    assert book.levels(SELL, 1) == [(5300, 200 * SHARE)]
    assert book.levels(SELL, 0) == []


def test_a_price_off_the_grid_or_out_of_range_has_no_size() -> None:
    book = book_of(PLAIN)
    assert [book.size_at(BUY, Price(p)) for p in (5105, 0, -100, ONE, 20_000)] == [0] * 5


def test_mid_microprice_and_imbalance() -> None:
    book = book_of("ask 0.53 300\nbid 0.51 100")
    assert book.mid() == pytest.approx(0.52)
    assert book.micro() == pytest.approx((0.51 * 300 + 0.53 * 100) / 400), "the heavier side pushes the price away"
    assert book.imbalance() == pytest.approx(-0.5)


def test_a_crossed_or_locked_book_says_so() -> None:
    assert book_of("ask 0.5 1\nbid 0.51 1").crossed
    assert book_of("ask 0.5 1\nbid 0.5 1").crossed
    assert not book_of("ask 0.51 1\nbid 0.5 1").crossed


@pytest.mark.parametrize(
    ("bids", "asks", "touch"),
    [
        ({}, {}, (5100, 100, 5300, 200)),
        ({5100: 30}, {5300: 199}, (5100, 70, 5300, 1)),
        ({5100: 100}, {5300: 200}, (5000, 40.5, 5500, 30)),
        ({5100: 500, 5000: 500, 100: 20_000}, {5300: 500, 5500: 30}, (0, 0, ONE, 0)),
        ({5200: 10, 100: 1}, {5200: 10}, (5100, 100, 5300, 200)),
    ],
)
def test_our_own_orders_are_taken_out_of_the_touch(
    bids: dict[int, int], asks: dict[int, int], touch: tuple[int, float, int, float]
) -> None:
    ours = [{Price(p): Size(s * SHARE) for p, s in side.items()} for side in (bids, asks)]
    bid, bid_size, ask, ask_size = book_of(PLAIN).touch_without(*ours)
    assert (bid, bid_size / SHARE, ask, ask_size / SHARE) == touch
