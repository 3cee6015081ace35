"""What a run's tally counts, each figure by hand; that it is bounded, adds up, and is the same from a journal as beside a desk."""

import logging
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pmm_tui.core.commands import Cancel, Command
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import (
    Event,
    FillSettled,
    LinkUp,
    MarketListed,
    MarketResolved,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    Ticked,
    WalletSeen,
)
from pmm_tui.core.instructions import Flattened
from pmm_tui.core.market import Market
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.state import State
from pmm_tui.core.units import SHARE, Cash, Nanos, Price, Size, usd
from pmm_tui.record.journal import Journal
from pmm_tui.runtime.comparing import figures
from pmm_tui.runtime.desk import Desk
from pmm_tui.study.cells import AT, BUCKETS, EDGES, FIELDS, STRETCH_S, Cell, Cells, bucket
from pmm_tui.study.tally import TOLD_MOST, Tally
from tests.core.desk import MARKET, Bench, at, book, knobs, places
from tests.faces.pictures import card
from tests.study.scene import Counted


def filled(order: int, ms: int, shares: float, trade: str, price: int = 4_700, fee: int = 0, adverse: int = 0) -> OrderFilled:
    """A fill."""
    return OrderFilled(at(ms), order, trade, Price(price), Size(round(shares * SHARE)), Cash(fee), True, Cash(adverse))


def test_nothing_is_counted_of_nothing() -> None:
    assert Counted().figures() == {}


def test_orders_are_counted_by_level_and_filled_ones_once() -> None:
    desk = Counted(knobs(levels=3, default_order_size=10.0))
    asked = places(desk.quoted())
    state = desk.engine.state
    first = next(place.order for place in asked if state.live[place.order].level == 0)
    third = next(place.order for place in asked if state.live[place.order].level == 2)
    for ms, part in ((1_200, 4), (1_210, 4)):
        desk.tell(filled(first, ms, part, f"t{ms}"))
    desk.tell(filled(first, 1_210, 4, "t1210"), filled(third, 1_300, 5, "t9"))
    levels = [state_level for place in asked for state_level in [state.live.get(place.order) or state.finished[place.order]]]
    assert desk.total("placed_best") >= sum(order.level == 0 for order in levels) == 2
    assert desk.total("placed") == desk.total("placed_best") + desk.total("placed_second") + desk.total("placed_third")
    assert [desk.total(f"filled{name}") for name in ("", "_best", "_second", "_third")] == [2, 1, 0, 1]
    assert (desk.total("fills"), desk.total("shares"), desk.total("makers")) == (3, 13, 3), "told twice, it counts once"


def test_latencies_fall_into_their_buckets_and_a_cancel_counts_from_the_first_asking() -> None:
    desk = Counted()
    asked = places(desk.quoted())
    assert desk.waits("submit") == {bucket(140.0): 2} and len(asked) == 2
    desk.tell(Flattened(at(2_000), "test"))
    again = desk.tick(9_000)
    assert any(isinstance(command, Cancel) for command in again), "the venue was silent, so it was asked again"
    desk.tell(*[OrderCancelled(at(9_050), place.order, Size(0)) for place in asked])
    assert desk.waits("cancel") == {bucket(7_050.0): 2}


def test_a_cancel_that_nobody_asked_for_has_no_latency() -> None:
    desk = Counted()
    order = places(desk.quoted())[0].order
    desk.tell(OrderCancelled(at(1_500), order, Size(0), "the venue's own"))
    assert not desk.waits("cancel")


def test_buckets_end_where_the_edges_say() -> None:
    assert [bucket(ms) for ms in (0.0, 1.0, 1.01, 1.5, 2.0, 1_024.0, 8_192.0, 8_193.0, 1e9)] == [0, 0, 1, 10, 16, 160, 208, 209, 209]
    assert all(bucket(edge * 0.999) == number for number, edge in enumerate(EDGES[:-1])) and len(EDGES) == BUCKETS == 210
    assert all(after / before < 1.05 for before, after in pairwise(EDGES[:-1]))


def test_a_fill_while_its_cancel_is_under_way_is_late() -> None:
    desk = Counted()
    first = places(desk.quoted())[0].order
    desk.tell(filled(first, 1_500, 2, "t1"), Flattened(at(2_000), "test"), filled(first, 2_050, 2, "t2"))
    assert (desk.total("fills"), desk.total("late")) == (2, 1)


def test_a_fill_that_was_told_a_moment_after_the_one_that_led_to_its_cancel_is_not_late() -> None:
    desk = Counted()
    first, second = (place.order for place in places(desk.quoted()))
    desk.tell(filled(first, 1_500, 2, "t1"), Flattened(at(1_520), "test"), filled(second, 1_590, 2, "t2", 4_800))
    assert (desk.total("fills"), desk.total("late")) == (2, 0), "one taker swept both"
    desk.tell(filled(second, 1_800, 2, "t3", 4_800))
    assert desk.total("late") == 1


def test_refusals_are_counted_by_their_code_with_the_venues_newest_words() -> None:
    desk = Counted()
    asked = places(desk.tell(book(1_000, "48x500 | 52x500")) + desk.tick(1_100))
    desk.tell(OrderRejected(at(1_130), asked[0].order, "would cross", "post_only"))
    desk.tell(OrderRejected(at(1_140), asked[1].order, "never heard of " * 20, "no such code"))
    assert (desk.total("reject_post_only"), desk.total("reject_other"), desk.total("placed")) == (1, 1, 2)
    words = dict(desk.tally.told().reasons)
    assert words["post_only"] == "would cross" and len(words["other"]) == 120


def test_time_is_what_passed_between_ticks_and_a_pause_is_no_watching() -> None:
    desk = Counted()
    desk.quoted()
    desk.tick(5_000)
    assert desk.total("watched_s") == desk.total("quoting_s") == pytest.approx((desk.ms - 1_100) / 1_000)
    before = desk.total("watched_s")
    desk.leap(60_000)
    assert desk.total("watched_s") == pytest.approx(before + 1.0), "the machine slept"


def test_money_of_each_minute_adds_up_to_the_equity() -> None:
    desk = Counted()
    first = places(desk.quoted())[0].order
    desk.tell(filled(first, 1_500, 10, "t1", fee=1_000, adverse=2_000))
    desk.tick(2_000)
    desk.tell(book(2_050, "58x500 | 62x500"))
    desk.leap(70_000)
    desk.tell(book(70_050, "54x500 | 56x500"))
    desk.leap(130_000)
    gain = usd(desk.engine.state.equity_now - desk.engine.state.portfolio.initial)
    assert desk.total("pnl.s") == pytest.approx(gain) == 10 * (0.55 - 0.47) - 0.003
    assert desk.total("pnl.k") == 3 and desk.total("pnl.w") == 10, "the shares belong to the minute in which they were traded"
    assert (desk.total("fees"), desk.total("rebates")) == (0.001, 0) and desk.total("notional") == pytest.approx(4.7)
    assert desk.total("captured.s") == pytest.approx(0.3) and desk.total("captured.w") == 10


def test_a_rebate_is_no_fee() -> None:
    desk = Counted()
    desk.tell(filled(places(desk.quoted())[0].order, 1_500, 10, "t1", fee=-4_000))
    assert (desk.total("fees"), desk.total("rebates"), desk.total("fee.s")) == (0, 0.004, -0.004)


def test_spreads_and_the_largest_jump_are_looked_at_each_second() -> None:
    desk = Counted()
    desk.quoted()
    desk.tick(4_000)
    desk.tell(book(4_100, "60x500 | 62x500"))
    desk.tick(6_000)
    assert desk.total("jump") == pytest.approx(0.11), "from 50 to 61 cents"
    assert desk.total("spread.w") >= 3 and 0.02 <= desk.total("spread.s") / desk.total("spread.w") <= 0.04
    assert desk.total("ours.s") >= desk.total("spread.s") > 0, "we quote outside of the others"


def test_the_queue_is_counted_when_it_is_joined_and_when_it_is_left() -> None:
    desk = Counted()
    first = places(desk.tell(book(1_000, "47x300 48x500 | 52x500 53x300")) + desk.tick(1_100))[0]
    desk.tell(OrderAccepted(at(1_140), first.order))
    joined = desk.engine.state.live[first.order].ahead
    assert joined > 0
    desk.tell(filled(first.order, 1_500, 2, "t1", int(first.price)))
    assert desk.total("ahead_joined.s") == joined / SHARE and desk.total("ahead_joined.k") == 1
    assert desk.total("ahead_filled.s") == joined / SHARE


def test_gas_is_told_by_the_operation() -> None:
    desk = Counted()
    desk.quoted()
    for ms, gas in ((2_000, 0), (3_000, 5_000), (4_000, 5_000), (5_000, 12_000)):
        desk.tell(WalletSeen(at(ms), Cash(500_000_000), (), Cash(gas)))
        desk.tick(ms + 900)
    told = desk.tally.told()
    assert (told.gas_usd, told.gas_operations) == (0.012, 2)


def test_memory_is_bounded_and_longer_stretches_keep_every_sum() -> None:
    small, large = Counted(most=4), Counted()
    for desk in (small, large):
        desk.quoted()
        for minute in range(1, 40):
            desk.tick(desk.ms + 300)
            desk.leap(minute * 60_000)
    told = small.tally.told()
    assert len(told.cells) <= 4 < len(large.tally.told().cells) and told.stretch_s >= 10 * STRETCH_S
    assert small.figures() == pytest.approx(large.figures())


def test_a_stretch_counts_from_the_markets_end_so_a_replay_meets_the_original() -> None:
    one, other = Cells(10), Cells(10)
    day = 86_400 * 10**9 + 12_345
    one.at("m", 1_000 * 10**9, 1_500 * 10**9)
    other.at("m", 1_000 * 10**9 + day, 1_500 * 10**9 + day)
    assert [cell.stretch for cell in one.told()] == [cell.stretch for cell in other.told()] == [-9]


def test_a_merged_cell_keeps_the_larger_jump() -> None:
    one, other = Cell(), Cell()
    one.largest(0.02)
    other.largest(0.05)
    other.count("fills", 2)
    one.take(other, 120)
    assert (one.values[AT["jump"]], one.values[AT["fills"]]) == (0.05, 2)


def test_a_trade_that_failed_has_a_count_and_no_money() -> None:
    """Two fills of one second, and another one; the second of them fails after its markouts have been taken."""
    desk, same = Counted(), Counted()
    for one in (desk, same):
        first = places(one.quoted())[0].order
        one.tell(filled(first, 1_500, 2, "t1", fee=1_000))
        if one is desk:
            one.tell(filled(first, 1_600, 3, "t2", fee=-4_000, adverse=2_000))
        one.tick(9_000)
        one.leap(30_000)
        one.tell(filled(first, 30_100, 4, "t3"))
        if one is desk:
            one.tell(FillSettled(at(40_000), "t2", first, False), FillSettled(at(40_100), "t2", first, False))
        for ms in range(40_200, 190_000, 10_000):
            one.leap(ms)
    counted, clean = desk.figures(), same.figures()
    kinds = ("shares", "notional", "fees", "rebates", "judged", "toxic", "fee.", "captured.", "markout_")
    money = [name for name in FIELDS if name.startswith(kinds)]
    assert {name: counted.get(name, 0) for name in money} == pytest.approx({name: clean.get(name, 0) for name in money}, abs=1e-9)
    assert (counted["fills"], counted["failed"], clean["fills"]) == (3, 1, 2) and counted["markout_2.w"] == 6
    assert counted["captured.s"] == pytest.approx(desk.engine.state.portfolio.captured / 1e6), "as its own books have it"
    assert counted["fees"] - counted.get("rebates", 0) == pytest.approx(desk.engine.state.portfolio.fees / 1e6)


def test_an_observation_that_never_was_leaves_no_trace_in_any_cluster() -> None:
    one, other = Cell(), Cell()
    for number, (weight, total) in enumerate(((10.0, 0.3), (4.0, -0.2), (7.0, 0.1), (5.0, 0.5))):
        for cell in (one, other) if number != 1 else (one,):
            cell.weigh("captured", 400_000_000 * number, weight, total)
    one.unweigh("captured", 400_000_000, 4.0, -0.2)
    assert one.values == pytest.approx(other.values) and one.values[AT["captured.k"]] == 2
    one.unweigh("captured", 1_200_000_000, 5.0, 0.5)
    one.unweigh("captured", 800_000_000, 7.0, 0.1)
    one.forget()
    one.unweigh("captured", 0, 10.0, 0.3)
    assert one.values == pytest.approx([0.0] * len(FIELDS), abs=1e-12)


def test_profit_is_that_of_the_books_to_the_end_of_the_run_and_through_the_payout() -> None:
    desk = Counted()
    first = places(desk.quoted())[0].order
    desk.tell(filled(first, 1_500, 10, "t1"), Flattened(at(2_000), "test"))
    for seconds in (30, 61, 95):
        desk.leap(seconds * 1_000)
    desk.tell(MarketResolved(at(95_300), MARKET.id, Price(0)))
    assert desk.total("pnl.s") != pytest.approx(-4.7), "no second has ended since"
    desk.tally.end(desk.engine.state)
    gain = usd(desk.engine.state.portfolio.cash - desk.engine.state.portfolio.initial)
    assert desk.total("pnl.s") == pytest.approx(gain) == pytest.approx(-4.7)
    assert {cell.stretch for cell in desk.tally.told().cells} == {at(0) // 60_000_000_000, at(61_000) // 60_000_000_000}


def test_a_market_that_goes_on_among_many_that_end_keeps_its_time_apart() -> None:
    cells = Cells(16)
    for number in range(200):
        for minute in range(number * 15, number * 15 + 15):
            cells.at("goes on", minute * 60 * 10**9, 10**18).count("fills")
            cells.at(f"m{number}", minute * 60 * 10**9, (number + 1) * 900 * 10**9).count("fills")
    told = cells.told(16)
    assert len(cells) <= 201 + 4 and sum(cell.market == "goes on" for cell in cells.told()) >= 2
    assert {cell.market for cell in told} >= {f"m{number}" for number in range(188, 200)}
    assert sum(cell.values[AT["fills"]] for cell in cells.told()) == 6_000


class Broken(Tally):
    """It miscounts."""

    def step(self, state: State, event: Event, commands: object) -> None:
        """As a bug would."""
        raise KeyError("a bug")


def a_desk(folder: Path) -> Desk:
    """A desk with its journal in a folder."""
    settings = knobs(default_order_size=10.0)
    header: dict[str, object] = {"run": folder.name, "mode": "paper", "knobs": msgspec.to_builtins(settings)}
    return Desk(Engine(settings), Journal(folder, header), folder, card(), logging.getLogger("test"), None)


def play(desk: Desk) -> list[Command]:
    """A few seconds with a fill, and some idle time after them."""
    asked: list[Command] = []
    for event in (LinkUp(at(0), "market"), MarketListed(at(0), MARKET), book(1_000, "48x500 | 52x500"), Ticked(at(1_100))):
        asked += desk.step(event)
    for place in places(asked):
        desk.step(OrderAccepted(at(1_140), place.order))
    desk.step(filled(places(asked)[0].order, 1_500, 10, "t1"))
    for ms in range(1_600, 70_000, 100):
        desk.step(Ticked(at(ms)))
    return asked


def test_a_journal_says_what_the_desk_said(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    desk = a_desk(folder)
    play(desk)
    desk._stats_at = 0
    frame: Frame = desk.frame()
    desk.close()
    read = figures(folder)
    assert frame.stats is not None and read.stats == frame.stats and (read.mode, read.torn) == ("paper", "")
    assert any(cell.values[AT["fills"]] for cell in read.stats.cells) and frame.stats.fields == FIELDS


def test_a_run_of_many_cells_is_on_one_grid_beside_the_desk_and_from_its_journal(tmp_path: Path) -> None:
    """Forty minutes of one market: more cells than a picture holds; then a market an hour, and a picture has the newest of them."""
    folder = tmp_path / "run"
    folder.mkdir()
    desk = a_desk(folder)
    play(desk)
    for seconds in range(70, 2_400):
        desk.step(Ticked(at(seconds * 1_000)))
    desk._stats_at = 0
    stats = desk.frame().stats
    assert stats is not None and stats.stretch_s == 240 and len(stats.cells) <= TOLD_MOST and stats.older == 0
    for number in range(TOLD_MOST):
        moment, name = 2_400_000 + number * 2_000, f"0x{number}"
        desk.step(MarketListed(at(moment), replace(MARKET, id=name, slug=name, yes=f"y{number}", no=f"n{number}")))
        desk.step(msgspec.structs.replace(book(moment + 100, "48x500 | 52x500"), market=name))
        desk.step(Ticked(at(moment + 1_000)))
    desk.close()
    stats, read = desk.frame().stats, figures(folder).stats
    assert stats is not None and stats.stretch_s == read.stretch_s >= 240
    assert len(stats.cells) == TOLD_MOST and stats.older == len(read.cells) - TOLD_MOST > 0 and read.older == 0
    assert set(stats.cells) < set(read.cells)


def test_the_last_picture_has_the_final_figures_however_fast_the_run_was(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    play(desk)
    desk._stats_at = time.perf_counter_ns() + 3_600 * 10**9
    early = desk.frame().stats
    order = next(iter(desk.engine.state.live))
    desk.step(filled(order, 69_950, 1, "t9"))
    assert desk.frame().stats is early
    desk.close()
    told = msgspec.json.decode((tmp_path / "live_state.json").read_bytes(), type=Frame)
    final = figures(tmp_path).stats
    assert told.stats == desk.frame().stats == final != early
    assert sum(cell.values[AT["fills"]] for cell in final.cells) == 2


def test_the_figures_are_made_anew_once_a_second_only(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    play(desk)
    desk._stats_at = time.perf_counter_ns()
    first = desk.frame().stats
    desk.step(Ticked(at(70_000)))
    assert desk.frame().stats is first
    desk.close()


def test_a_bug_in_the_figures_costs_the_figures_and_not_the_desk(tmp_path: Path) -> None:
    desk = a_desk(tmp_path)
    desk._tally = Broken()
    asked = play(desk)
    assert places(asked) and desk.frame().stats is None and not desk.dead and not desk.busy
    desk.close()


def test_a_market_without_an_order_of_ours_is_watched_and_not_quoted() -> None:
    other: Market = replace(MARKET, id="0xother", slug="other", yes="y2", no="n2")
    desk = Counted()
    desk.quoted()
    desk.tell(MarketListed(Nanos(at(1_200)), other))
    desk.tick(3_000)
    markets = {cell.market for cell in desk.tally.told().cells}
    assert markets == {MARKET.id}, "no data came for the other one"


def test_the_engine_is_not_touched_by_being_counted() -> None:
    counted, plain = Counted(), Bench(knobs(default_order_size=10.0))
    for desk in (counted, plain):
        asked = places(desk.tell(book(1_000, "48x500 | 52x500")) + desk.tick(1_100))
        desk.accept(asked, 1_140)
        desk.tell(filled(asked[0].order, 1_500, 10, "t1"))
        desk.tick(8_000)
    assert counted.engine.digest() == plain.engine.digest()
