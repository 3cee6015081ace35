"""The tape's crowd: the recorded book with our orders in its queue, every recorded trade once, and nothing that was not recorded."""

from random import Random

import pytest

from pmm_tui.core.events import BookChanged, BookReset, Event, Level, MarketClosed, MarketListed, MarketResolved, TickSizeChanged, Traded
from pmm_tui.core.market import Side
from pmm_tui.core.units import DOLLAR, MILLI, ONE, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.reel import Spot, splice
from pmm_tui.exchange.tape import NEVER, TapeCrowd
from pmm_tui.exchange.terms import Lasts, Order, Printed
from tests.exchange.floor_scene import MARKET, shares

BUY, SELL = Side.BUY, Side.SELL
BEGAN, START = Nanos(1_000 * SECOND), Nanos(5_000 * SECOND)
OURS = "0xours"
NAME, YES = MARKET.id, MARKET.yes


def tape_time(ms: float) -> Nanos:
    return Nanos(BEGAN + round(ms * MILLI))


def levels(drawn: str) -> tuple[Level, ...]:
    """"48x100 47x50" in cents and shares."""
    pairs = [level.split("x") for level in drawn.split()]
    return tuple((Price(round(float(price) * 100)), shares(float(size))) for price, size in pairs)


def book(ms: float, bids: str, asks: str, late: float = 0) -> BookReset:
    return BookReset(tape_time(ms + late), NAME, tape_time(ms), levels(bids), levels(asks))


def change(ms: float, *changes: tuple[Side, float, float], late: float = 0) -> BookChanged:
    told = tuple((side, Price(round(cents * 100)), shares(size)) for side, cents, size in changes)
    return BookChanged(tape_time(ms + late), NAME, tape_time(ms), told)


def trade(ms: float, side: Side, cents: float, size: float, late: float = 0) -> Traded:
    return Traded(tape_time(ms + late), NAME, tape_time(ms), Price(round(cents * 100)), shares(size), side)


class Stand:
    """An exchange that plays a small tape, and a wallet of ours with money and shares."""

    def __init__(self, *told: Event, market: str = NAME) -> None:
        self.matching = Matching(Random(3))
        self.matching.deposit(OURS, Cash(100_000 * DOLLAR))
        for token in (YES, MARKET.no):
            self.matching.give(OURS, token, Size(100_000 * SHARE))
        listed = () if any(isinstance(fact, MarketListed) for fact in told) else (MarketListed(BEGAN, MARKET),)
        self.crowd = TapeCrowd([*listed, *told], self.matching, START)
        self.at = START
        self.count = 0
        self.printed: list[Printed] = []

    def until(self, ms: float) -> None:
        self.at = Nanos(START + round(ms * MILLI))
        self.crowd.act(self.matching, self.at)
        self.printed += [fact for fact in self.matching.take() if isinstance(fact, Printed)]

    def rest(self, side: Side, cents: float, size: float, lasts: Lasts = Lasts.GTC) -> Order:
        self.count += 1
        price = Price(round(cents * 100))
        order = Order(f"0x{self.count}", OURS, "key", NAME, YES, side, price, shares(size), lasts, lasts is Lasts.GTC, self.at)
        assert not self.matching.place(order, self.at).error
        return order

    def shown(self) -> dict[Spot, int]:
        """The book without our orders."""
        return without_us(self.matching, NAME)

    def drawn(self) -> tuple[str, str]:
        """The same, drawn: bids and asks, best first."""
        told = sorted(self.shown().items())
        bids = [f"{price / 100:g}x{size / SHARE:g}" for (side, price), size in reversed(told) if side is BUY]
        return " ".join(bids), " ".join(f"{price / 100:g}x{size / SHARE:g}" for (side, price), size in told if side is SELL)


def without_us(matching: Matching, market: str) -> dict[Spot, int]:
    found: dict[Spot, int] = {}
    ladder = matching.markets[market].ladder
    for order in ladder.orders():
        if order.wallet != OURS:
            assert order.token == ladder.market.yes
            found[order.side, order.price] = found.get((order.side, order.price), 0) + order.rest
    return found


# --- one trade, told twice --------------------------------------------------------------------------------------------------------------

OPENING = book(0, "47x50 48x100", "53x50 52x100")


@pytest.mark.parametrize("size", [30, 100, 104, 110, 125])
@pytest.mark.parametrize("told", ["change first", "print first", "books with it", "only books", "print before its change"])
def test_a_print_fills_what_is_behind_its_queue_once(size: float, told: str) -> None:
    """100 stood ahead of us and 60 came behind: of a sale of `size` we get what is over 100, whichever way the venue tells it."""
    left = 160 - size
    changed, printed = change(1_000, (BUY, 48, left)), trade(1_020, SELL, 48, size)
    after = [book(1_000, f"47x50 48x{left}", "53x50 52x100", late=ms) for ms in (1, 2, 45)]
    frames: dict[str, list[Event]] = {
        "change first": [changed, printed],
        "print first": [trade(1_020, SELL, 48, size, late=-40), changed],
        "books with it": [changed, after[0], after[1], printed, after[2]],
        "only books": [after[0], after[1], printed, after[2]],
        "print before its change": [trade(980, SELL, 48, size), changed],
    }
    stand = Stand(OPENING, change(500, (BUY, 48, 160)), *frames[told], book(3_000, f"47x50 48x{left}", "53x50 52x100"))
    stand.until(200)
    ours = stand.rest(BUY, 48, 10)
    stand.until(600)
    assert stand.matching.levels(YES, BUY)[0] == (4_800, shares(170))
    stand.until(2_000)
    assert ours.matched == shares(min(10, max(0, size - 100)))
    assert stand.drawn() == (f"48x{left:g} 47x50", "52x100 53x50")
    assert sum(fact.size for fact in stand.printed) == shares(size), "one trade, of its size, once"
    stand.until(4_000)
    assert ours.matched == shares(min(10, max(0, size - 100)))
    assert stand.drawn() == (f"48x{left:g} 47x50", "52x100 53x50")


def test_trades_eat_the_queue_ahead_and_cancels_leave_from_behind() -> None:
    told: list[Event] = [OPENING, change(500, (BUY, 48, 150)), change(600, (BUY, 48, 90))]
    told += [change(700, (BUY, 48, 60)), trade(720, SELL, 48, 30), change(800, (BUY, 48, 0)), trade(821, SELL, 48, 65)]
    stand = Stand(*told)
    stand.until(200)
    ours = stand.rest(BUY, 48, 10)
    stand.until(500)
    assert stand.matching.markets[NAME].ladder.ahead_of(ours) == shares(100)
    stand.until(600)
    assert stand.matching.markets[NAME].ladder.ahead_of(ours) == shares(90), "50 behind us left first"
    stand.until(700)
    assert (stand.matching.markets[NAME].ladder.ahead_of(ours), ours.matched) == (shares(60), 0)
    stand.until(900)
    assert ours.matched == shares(5), "a print of more than the level showed goes on with us"
    assert stand.drawn()[0] == "47x50"


def test_several_prints_share_one_change_and_a_sweep_goes_level_by_level() -> None:
    swept = change(1_000, (SELL, 52, 0), (SELL, 53, 20))
    prints = [trade(1_019, BUY, 52, 70), trade(1_020, BUY, 52, 30), trade(1_021, BUY, 53, 30)]
    stand = Stand(OPENING, swept, *prints)
    stand.until(100)
    first, second = stand.rest(SELL, 52, 10), stand.rest(SELL, 53, 10)
    stand.until(2_000)
    assert (first.matched, second.matched) == (shares(10), 0), "what went on to 53 met us at 52 on its way"
    assert stand.drawn()[1] == "53x20"
    assert [fact.size for fact in stand.printed] == [shares(size) for size in (70, 30, 10, 20)]


def test_equal_prints_find_each_its_own_change() -> None:
    told = [change(ms, (SELL, 52, 100 - number * 9)) for number, ms in enumerate((1_000, 1_042, 1_046), 1)]
    prints = [trade(ms, BUY, 52, 9) for ms in (1_021, 1_063, 1_067)]
    steps = list(splice([MarketListed(BEGAN, MARKET), OPENING, *sorted([*told, *prints], key=lambda fact: fact.at)]))
    causes = [[(step.ts - BEGAN) // MILLI for step in steps if one in step.prints] for one in prints]
    assert causes == [[1_000], [1_042], [1_046]]
    assert not any(isinstance(step.fact, Traded) for step in steps)


def test_a_print_without_a_change_takes_and_the_recorded_book_stays() -> None:
    stand = Stand(OPENING, trade(1_000, SELL, 48, 104))
    stand.until(100)
    ours = stand.rest(BUY, 48, 10)
    stand.until(2_000)
    assert ours.matched == shares(4)
    assert stand.drawn()[0] == "48x100 47x50"


def test_a_trade_through_our_better_price_is_ours_first_and_at_our_price() -> None:
    stand = Stand(OPENING, change(1_000, (SELL, 52, 70)), trade(1_020, BUY, 52, 30))
    stand.until(100)
    ours = stand.rest(SELL, 51, 10)
    stand.until(2_000)
    assert ours.matched == shares(10)
    assert [(fact.price, fact.size) for fact in stand.printed] == [(5_100, shares(10)), (5_200, shares(20))]
    assert stand.drawn()[1] == "52x70 53x50"


# --- levels ----------------------------------------------------------------------------------------------------------------------------


def test_a_level_that_reaches_us_trades_with_us_once() -> None:
    told: list[Event] = [OPENING, change(1_000, (SELL, 49, 30)), book(1_100, "47x50 48x100", "53x50 52x100 49x30")]
    told += [change(1_200, (SELL, 49, 36)), change(1_300, (SELL, 49, 20)), book(2_000, "47x50 48x100", "53x50 52x100 49x20")]
    stand = Stand(*told)
    stand.until(100)
    ours = stand.rest(BUY, 49, 50)
    for ms, matched in ((1_000, 30), (1_100, 30), (1_200, 36), (1_300, 36)):
        stand.until(ms)
        assert (ours.matched, stand.drawn()[1]) == (shares(matched), "52x100 53x50")
    stand.matching.cancel([ours.id], OURS, stand.at)
    stand.until(2_000)
    assert stand.drawn() == ("48x100 47x50", "49x20 52x100 53x50"), "with nobody across it the level is shown"
    assert [fact.size for fact in stand.printed] == [shares(30), shares(6)]


def test_a_level_larger_than_our_order_is_shown_whole_once_we_are_gone() -> None:
    stand = Stand(OPENING, change(1_000, (SELL, 49, 30)))
    stand.until(100)
    ours = stand.rest(BUY, 49, 12)
    stand.until(1_000)
    assert ours.matched == shares(12)
    assert stand.drawn()[1] == "49x30 52x100 53x50"
    assert sum(fact.size for fact in stand.printed) == shares(12)


def test_a_level_that_reaches_us_where_takers_wait_trades_after_its_delay() -> None:
    stand = Stand(OPENING, change(1_000, (SELL, 49, 30)), change(1_050, (SELL, 49, 20)), book(2_000, "47x50 48x100", "53x50 52x100 49x20"))
    stand.matching.rules = Rules(taker_delay_ms=200, reward_sample_s=0)
    stand.until(100)
    ours = stand.rest(BUY, 49, 12)
    for ms, matched in ((1_000, 0), (1_100, 0), (1_300, 12), (2_000, 12)):
        stand.until(ms)
        stand.matching.advance(stand.at)
        assert ours.matched == shares(matched)
    assert stand.drawn()[1] == "49x20 52x100 53x50"


def test_a_stale_level_is_hidden_and_never_trades_with_the_tape_itself() -> None:
    told = [OPENING, change(1_000, (BUY, 52, 40)), change(1_500, (BUY, 48, 90)), change(2_000, (BUY, 52, 0))]
    stand = Stand(*told)
    stand.until(1_000)
    assert stand.drawn() == ("52x40 48x100 47x50", "53x50"), "the newer one holds"
    stand.until(1_500)
    assert stand.drawn() == ("52x40 48x90 47x50", "53x50")
    stand.until(2_000)
    assert stand.drawn() == ("48x90 47x50", "52x100 53x50"), "still recorded, and no longer met"
    assert not stand.printed


def test_a_book_recorded_crossed_shows_what_does_not_cross_and_trades_nothing() -> None:
    crossed = book(1_000, "48x100 51x30", "53x50 50x20")
    stand = Stand(OPENING, crossed, book(2_000, "48x100 51x30", "53x50 50x20"), book(3_000, "48x100 51x30", "53x50"))
    for ms in (1_000, 2_000):
        stand.until(ms)
        assert stand.drawn() == ("48x100", "50x20 53x50")
    stand.until(3_000)
    assert stand.drawn() == ("51x30 48x100", "53x50")
    assert not stand.printed


def test_late_frames_find_their_place() -> None:
    told: list[Event] = [OPENING, change(1_000, (BUY, 48, 70)), change(990, (BUY, 48, 500), late=30)]
    told += [book(995, "47x50 48x500", "53x50 52x100", late=33), change(2_000, (BUY, 47, 60)), change(1_500, (BUY, 47, 1), late=900)]
    stand = Stand(*told)
    stand.until(1_500)
    assert stand.drawn()[0] == "48x70 47x50"
    stand.until(3_000)
    assert stand.drawn()[0] == "48x70 47x60", "far too late: the level's last writer wins"


def test_small_growth_odd_sizes_and_another_grid_are_shown_as_recorded() -> None:
    told: list[Event] = [OPENING, change(1_000, (BUY, 48, 102)), change(1_100, (BUY, 48, 102.004567)), change(1_200, (BUY, 48.5, 1.5))]
    told += [TickSizeChanged(tape_time(1_300), NAME, tape_time(1_300), Price(10))]
    stand = Stand(*told)
    stand.until(1_100)
    assert stand.shown()[BUY, Price(4_800)] == shares(102.004567)
    stand.until(1_200)
    assert (stand.matching.tick(NAME), stand.shown()[BUY, Price(4_850)]) == (50, shares(1.5))
    stand.until(1_300)
    assert (stand.matching.tick(NAME), stand.shown()[BUY, Price(4_850)]) == (10, shares(1.5))


def test_what_we_took_comes_back_with_the_next_book() -> None:
    stand = Stand(OPENING, change(1_000, (BUY, 47, 55)), book(2_000, "47x55 48x100", "53x50 52x100"))
    stand.until(100)
    stand.rest(BUY, 52, 30, Lasts.FAK)
    assert stand.drawn()[1] == "52x70 53x50"
    stand.until(1_000)
    assert stand.drawn() == ("48x100 47x55", "52x70 53x50")
    stand.until(2_000)
    assert stand.drawn() == ("48x100 47x55", "52x100 53x50")


def test_a_market_ends_when_the_tape_says_so_at_the_tapes_pace() -> None:
    told: list[Event] = [OPENING, MarketClosed(tape_time(2_000), NAME), book(2_500, "40x9", "60x9"), trade(2_600, SELL, 40, 5)]
    stand = Stand(*told, MarketResolved(tape_time(4_000), NAME, ONE), book(5_000, "40x9", "60x9"))
    stand.crowd = TapeCrowd([MarketListed(BEGAN, MARKET), *told, MarketResolved(tape_time(4_000), NAME, ONE)], stand.matching, START, 2.0)
    stand.until(999)
    assert not stand.matching.markets[NAME].closed
    stand.until(1_000)
    assert stand.matching.markets[NAME].closed and not stand.shown()
    stand.until(2_000)
    assert stand.matching.markets[NAME].payout == ONE
    assert stand.crowd.act(stand.matching, stand.at) == NEVER


# --- against a model of the queue -----------------------------------------------------------------------------------


class Queue:
    """Our place in one level, the simple way: so much ahead, the rest of the level behind."""

    def __init__(self, ahead: int, size: int) -> None:
        self.ahead, self.size, self.filled = ahead, size, 0

    def sold(self, size: int) -> None:
        self.filled = min(self.size, self.filled + max(0, size - self.ahead))
        self.ahead = max(0, self.ahead - size)

    def shows(self, size: int) -> None:
        self.ahead = min(self.ahead, size)


def play_queue(seed: int) -> int:
    """Cancels, growth, and trades that are told 15 to 25 ms after their change, on the level of our bid; what we got of 60 shares."""
    chance, ms, size = Random(seed), 1_000.0, 100
    told: list[Event] = [OPENING]
    script: list[tuple[int, int]] = []
    for _ in range(chance.randrange(2, 14)):
        ms += chance.choice((30, 200, 900))
        grows = chance.random() < 0.5
        traded = 0 if grows or size < 2 else chance.choice((0, 1)) * chance.randrange(1, size)
        size = size + chance.randrange(1, 40) if grows else size - traded if traded else chance.randrange(1, size + 1)
        told.append(change(ms, (BUY, 48, size)))
        script.append((traded, size))
        if traded:
            told.append(trade(ms + chance.randrange(15, 26), SELL, 48, traded))
    stand = Stand(*sorted(told, key=lambda fact: fact.at))
    stand.until(500)
    ours, queue = stand.rest(BUY, 48, 60), Queue(100 * SHARE, 60 * SHARE)
    for traded, left in script:
        queue.sold(traded * SHARE)
        queue.shows(left * SHARE)
    stand.until(ms + 1_000)
    assert ours.matched == queue.filled, f"seed {seed}"
    assert stand.shown()[BUY, Price(4_800)] == size * SHARE
    assert not ours.rest or stand.matching.markets[NAME].ladder.ahead_of(ours) == queue.ahead, f"seed {seed}"
    return queue.filled


def test_our_fills_are_those_of_a_queue() -> None:
    filled = [play_queue(seed) for seed in range(40)]
    assert sum(size == 60 * SHARE for size in filled) >= 3 and sum(0 < size < 60 * SHARE for size in filled) > 5
