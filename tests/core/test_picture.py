"""The picture's guards and tape: where each limit stands, how much of it is used, who traded last."""

import pytest
from msgspec.structs import replace

from pmm_tui.core.commands import Place
from pmm_tui.core.events import LinkDown, OrderUncertain, Traded, VenueModeChanged
from pmm_tui.core.instructions import Killed
from pmm_tui.core.market import Side
from pmm_tui.core.snapshot import RiskRow
from pmm_tui.core.units import SHARE, Nanos, Price, Size
from tests.core.desk import MARKET, Bench, at, book, knobs


def risk(bench: Bench) -> dict[str, RiskRow]:
    """The guards by name."""
    return {row.name: row for row in bench.engine.snapshot().risk}


def quoting(**changes: float) -> Bench:
    """A desk that quotes one market."""
    bench = Bench(knobs(**changes))
    bench.accept(bench.tell(book(100, "47x50 48x100 | 52x100 53x50")), 200)
    return bench


def test_each_guard_says_how_much_of_its_limit_is_used() -> None:
    bench = quoting(stale_after_s=4.0, max_position_size=100.0, max_open_orders=8)
    bid = next(one for one in bench.asked if isinstance(one, Place) and one.side is Side.BUY)
    bench.fill(bid, 20, 300)
    bench.tick(1_100)
    rows = risk(bench)
    assert rows["net position"].used == pytest.approx(0.2) and (rows["net position"].now, rows["net position"].limit) == ("20 sh", "100 sh")
    assert rows["data age"].used == pytest.approx(0.25) and rows["data age"].now == "1.0 s"
    assert rows["open orders"].used == pytest.approx(len(bench.engine.state.live) / 8)
    spent = bench.engine.state.committed / bench.engine.state.equity_now
    assert rows["all capital"].used == pytest.approx(spent) and 0 < spent < 1
    assert rows["wallet check"].used == -1.0 and rows["wallet check"].now == "not asked"
    assert (rows["account check"].now, rows["account check"].limit) == ("0 missed", "2"), "what is counted is said once"
    assert not any(row.holding for row in rows.values())


def test_a_guard_that_holds_says_so_at_its_limit() -> None:
    bench = quoting(stale_after_s=2.0)
    bench.tick(2_500)
    rows = risk(bench)
    assert rows["data age"].holding and rows["data age"].used > 1.0
    assert [name for name, row in rows.items() if row.holding] == ["data age"]


def test_the_end_of_a_market_and_a_price_near_its_bound_are_reviewers_with_rows_of_their_own() -> None:
    bench = Bench(knobs(stop_before_close_s=30.0), market=replace(MARKET, closes=Nanos(at(20_000))))
    bench.tell(book(100, "47x50 48x100 | 52x100 53x50"))
    rows = risk(bench)
    assert rows["time to the end"].holding and rows["time to the end"].now == "20 s" and rows["time to the end"].limit == ">30 s"
    assert not rows["price bounds"].holding
    bench = Bench()
    bench.tell(book(100, "1x50 | 2x50"))
    assert risk(bench)["price bounds"].holding and risk(bench)["price bounds"].now == "beyond"


def test_the_tape_is_the_newest_few_trades_newest_first() -> None:
    bench = quoting()
    for number in range(12):
        sold = Side.SELL if number % 2 else Side.BUY
        bench.tell(Traded(at(300 + number), MARKET.id, at(300 + number), Price(5_000 + number), Size((number + 1) * SHARE), sold))
    tape = bench.engine.snapshot().markets[0].trades
    assert [trade.price for trade in tape] == [5_011, 5_010, 5_009, 5_008, 5_007, 5_006, 5_005, 5_004]
    assert (tape[0].at, tape[0].size, tape[0].side) == (at(311), 12 * SHARE, Side.SELL)


def test_a_guard_that_is_passed_holds_and_the_book_is_stale_though_a_lost_link_held_first() -> None:
    bench = quoting(stale_after_s=2.0)
    bench.tell(LinkDown(at(300), "account", "gone"))
    bench.tick(3_500)
    (row,) = bench.engine.snapshot().markets
    assert row.why.startswith("account feed lost") and row.health.stale
    assert risk(bench)["data age"].holding
    assert not quoting(stale_after_s=2.0).engine.snapshot().markets[0].health.stale


def test_an_order_says_since_when_nobody_knows_whether_it_rests() -> None:
    bench = quoting(order_timeout_s=1.0)
    first, second = (order.id for order in bench.engine.snapshot().orders)

    def unsure() -> dict[int, Nanos]:
        return {order.id: order.unsure_at for order in bench.engine.snapshot().orders}

    assert set(unsure().values()) == {0}
    bench.tell(Killed(at(1_000), "t", "test"))
    bench.tick(6_000)
    assert unsure() == {first: at(1_000), second: at(1_000)}, "asked again and again, and still since the first time"
    assert {order.status for order in bench.engine.snapshot().orders} == {"CANCELLING"}
    bench.tell(OrderUncertain(at(6_100), first, "timeout"))
    assert unsure()[first] == at(1_000)


def test_an_order_without_an_answer_is_unsure_since_it_was_sent_until_it_is_seen() -> None:
    bench = Bench(knobs(order_timeout_s=1.0))
    sent = next(one for one in bench.tell(book(100, "47x50 48x100 | 52x100 53x50")) if isinstance(one, Place))
    bench.tick(1_500)
    (row,) = (order for order in bench.engine.snapshot().orders if order.id == sent.order)
    assert (row.status, row.unsure_at) == ("UNCERTAIN", row.sent_at)
    bench.accept([sent], 1_600)
    assert next(order for order in bench.engine.snapshot().orders if order.id == sent.order).unsure_at == 0


def test_a_market_is_killing_until_the_kill_is_proven() -> None:
    bench = quoting()
    bench.tell(Killed(at(1_000), "t", "test"))
    assert (bench.engine.snapshot().phase, bench.engine.snapshot().markets[0].state) == ("killing", "killing")


def test_the_money_says_what_the_inventory_made_as_the_mid_moved() -> None:
    bench = quoting()
    bid = next(one for one in bench.asked if isinstance(one, Place) and one.side is Side.BUY)
    bench.fill(bid, 10, 300)
    bench.tell(book(400, "57x50 58x100 | 62x100 63x50"))
    bench.tick(1_500)
    money = bench.engine.snapshot().money
    assert money.drift == 10 * 100_000, "from 50 to 60 cents"
    assert money.equity - money.initial == money.captured + money.drift - money.fees - money.adverse


def test_the_ladder_is_twenty_five_levels_a_side_and_has_what_is_ours_wherever_it_rests() -> None:
    bench = Bench()
    bids, asks = " ".join(f"{48 - n}x100" for n in range(30)), " ".join(f"{52 + n}x100" for n in range(30))
    asked = [one for one in bench.tell(book(100, f"{bids} | {asks}")) if isinstance(one, Place)]
    bench.accept(asked, 200)
    (row,) = bench.engine.snapshot().markets
    assert [level.price for level in row.bids] == [4_800 - 100 * n for n in range(25)]
    assert [level.price for level in row.asks] == [5_200 + 100 * n for n in range(25)]
    ours = {level.price: (level.size, level.ours) for level in (*row.bids, *row.asks) if level.ours}
    assert len(ours) == len(asked) and all(size == 100 * SHARE for size, _ in ours.values())
    bench.tell(book(300, "44x100 43x50 | 56x100 57x50"))
    (row,) = bench.engine.snapshot().markets
    alone = {level.price for level in (*row.bids, *row.asks) if level.ours and not level.size}
    assert alone == set(ours), "a level that only we hold"
    assert [level.price for level in row.bids] == sorted((level.price for level in row.bids), reverse=True)
    assert [level.price for level in row.asks] == sorted(level.price for level in row.asks)


@pytest.mark.parametrize(
    ("mode", "level", "words"),
    [
        ("cancel_only", "warn", "cancel-only"),
        ("limited", "warn", "rate-limited"),
        ("disabled", "alarm", "closed"),
        ("key refused", "alarm", "refusing our key"),
    ],
)
def test_an_event_names_what_the_venue_takes_in_an_operators_words_and_what_shuts_it_is_an_alarm(mode: str, level: str, words: str) -> None:
    bench = quoting()
    bench.tell(LinkDown(at(300), "venue", mode), VenueModeChanged(at(300), mode), VenueModeChanged(at(400), "open"))
    told = [(note.level, note.text) for note in bench.engine.snapshot().notes[:3]]
    assert told == [
        ("info", f"the venue is open again, {words} before"),
        (level, f"the venue is {words}"),
        ("warn", f"venue lost: {words}"),
    ]
