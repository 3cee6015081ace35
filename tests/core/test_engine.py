"""The walk from a fact to commands: deciding, caps, guards, unknown answers, flatten."""

import pytest

from pmm_tui.core.commands import CancelAll, Place, Sync, Watch
from pmm_tui.core.events import (
    AccountSeen,
    FillSettled,
    MarketClosed,
    MarketListed,
    MarketResolved,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSeen,
    OrderUncertain,
    Ticked,
    TickSizeChanged,
    Traded,
)
from pmm_tui.core.instructions import Flattened, Killed, KillReset, Paused, Resumed, Retuned
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import Status
from pmm_tui.core.units import DOLLAR, ONE, SHARE, Cash, Price, Size
from tests.core.desk import MARKET, Bench, at, book, cancels, knobs, places

QUIET = "47x500 48x300 | 53x500 52x300"


def quoting(**changes: float | int | bool | str) -> tuple[Bench, list[Place]]:
    """A desk that has quoted one book, its orders accepted."""
    bench = Bench(knobs(complement_routing=True, **changes))
    sent = places(bench.tell(book(100, QUIET)))
    bench.accept(sent, 250)
    return bench, sent


def test_a_listed_market_is_watched() -> None:
    bench = Bench(listed=False)
    assert bench.tell(MarketListed(at(0), MARKET)) == [Watch(MARKET.id)]


def test_the_first_book_is_quoted_on_both_sides_without_inventory() -> None:
    _, sent = quoting()
    assert [(order.token, order.side, order.kind) for order in sent] == [
        ("yes", Side.BUY, Kind.POST_ONLY),
        ("no", Side.BUY, Kind.POST_ONLY),
    ]
    bid, ask = sent[0].price, ONE - sent[1].price
    assert 4_700 <= bid < ask <= 5_300


def test_without_routing_an_ask_needs_inventory() -> None:
    bench = Bench(knobs(complement_routing=False))
    sent = places(bench.tell(book(100, QUIET)))
    assert [(order.token, order.side) for order in sent] == [("yes", Side.BUY)]
    held = [quote.held for quote in bench.engine.snapshot().markets[0].quotes if quote.held]
    assert any("inventory" in why for why in held)


def test_an_unchanged_book_asks_for_nothing() -> None:
    bench, _ = quoting()
    commands = bench.tell(book(400, QUIET)) + bench.tick(5_000)
    assert (places(commands), cancels(commands)) == ([], [])


def test_a_moved_book_is_requoted() -> None:
    bench, sent = quoting()
    commands = bench.tell(book(1_000, "48x500 49x300 | 54x500 53x300"))
    assert sorted(cancels(commands)) == [order.order for order in sent]
    assert len(places(commands)) == 2


def test_a_far_move_waits_for_the_cancels_that_it_would_trade_with() -> None:
    bench, sent = quoting()
    commands = bench.tell(book(1_000, "57x500 58x300 | 63x500 62x300"))
    assert [order.token for order in places(commands)] == ["no"]
    assert "our own order" in bench.engine.snapshot().markets[0].quotes[0].held
    assert [order.token for order in places(bench.tell(OrderCancelled(at(1_100), sent[1].order, Size(0))))] == ["yes"]


def test_the_quote_interval_is_kept() -> None:
    bench = Bench(knobs(quote_interval_s=2.0, complement_routing=True))
    bench.accept(bench.tell(book(100, QUIET)), 200)
    assert bench.tell(book(1_000, "57x500 58x300 | 63x500 62x300")) == []
    assert not places(bench.tick(2_000))
    assert places(bench.tick(2_200))


def test_a_fill_is_booked_once_and_requoted_at_once() -> None:
    bench, sent = quoting(quote_interval_s=60.0)
    bench.fill(sent[0], 5, 300)
    bench.fill(sent[0], 5, 310)
    state = bench.engine.state
    assert state.portfolio.shares("yes") == 5 * SHARE
    assert state.portfolio.fill_count == 1
    assert state.live[sent[0].order].rest == sent[0].size - 5 * SHARE


def test_a_late_fill_of_a_finished_order_is_booked() -> None:
    bench, sent = quoting()
    bench.tell(Paused(at(300), "t"))
    bench.tell(OrderCancelled(at(400), sent[0].order, Size(0)))
    assert sent[0].order not in bench.engine.state.live
    bench.fill(sent[0], 5, 500)
    assert bench.engine.state.portfolio.shares("yes") == 5 * SHARE


def test_a_fill_that_is_not_ours_is_an_alarm() -> None:
    bench, _ = quoting()
    bench.tell(OrderFilled(at(300), 999, "t", Price(5_000), Size(SHARE)))
    assert bench.engine.state.portfolio.fill_count == 0
    assert any(note.level == "alarm" and "999" in note.text for note in bench.engine.snapshot().notes)


def test_silence_makes_an_order_uncertain_and_its_place_stays_blocked() -> None:
    bench = Bench(knobs(complement_routing=True, order_timeout_s=1.0))
    sent = places(bench.tell(book(100, QUIET)))
    commands = bench.tick(2_100)
    order = bench.engine.state.live[sent[0].order]
    assert order.status is Status.UNCERTAIN
    assert any(isinstance(command, Sync) and order.id in command.orders for command in commands)
    assert places(commands) == []
    bench.tell(book(2_200, QUIET))
    assert places(bench.tick(3_500)) == []


def test_the_account_ends_an_uncertain_order() -> None:
    bench, sent = quoting(order_timeout_s=1.0)
    first, second = sent
    extra = places(bench.tell(book(1_000, "57x500 58x300 | 63x500 62x300")))
    bench.tell(OrderUncertain(at(1_100), extra[0].order, "timeout"))
    seen = (
        OrderSeen(first.order, "done", Size(0)),
        OrderSeen(second.order, "open", Size(0)),
        OrderSeen(extra[0].order, "absent", Size(0)),
    )
    bench.tell(AccountSeen(at(4_000), Cash(500 * DOLLAR), (), seen))
    live = bench.engine.state.live
    assert first.order not in live
    assert live[second.order].status is Status.CANCELLING
    assert extra[0].order not in live


def test_absent_proves_nothing_while_the_order_is_on_its_way() -> None:
    bench = Bench(knobs(complement_routing=True, order_timeout_s=5.0))
    sent = places(bench.tell(book(100, QUIET)))
    bench.tell(AccountSeen(at(150), Cash(500 * DOLLAR), (), (OrderSeen(sent[0].order, "absent", Size(0)),)))
    assert sent[0].order in bench.engine.state.live


def test_the_account_says_done_with_a_fill_still_owed() -> None:
    bench, sent = quoting()
    matched = Size(5 * SHARE)
    bench.tell(AccountSeen(at(400), Cash(500 * DOLLAR), (), (OrderSeen(sent[0].order, "done", matched),)))
    assert bench.engine.state.live[sent[0].order].status is Status.SETTLING
    bench.fill(sent[0], 5, 500)
    assert sent[0].order not in bench.engine.state.live


@pytest.mark.fault("F54")
def test_two_wrong_accounts_hold_and_three_kill() -> None:
    bench, _ = quoting()
    wrong = Cash(450 * DOLLAR)
    bench.tell(AccountSeen(at(1_000), wrong, (), ()))
    assert bench.engine.snapshot().phase == "running"
    bench.tell(AccountSeen(at(2_000), wrong, (), ()))
    assert cancels(bench.tick(2_200))
    assert bench.engine.snapshot().markets[0].why.startswith("the venue's account")
    commands = bench.tell(AccountSeen(at(3_000), wrong, (), ()))
    assert any(isinstance(command, CancelAll) for command in commands)
    assert bench.engine.snapshot().phase == "killing"


def test_a_right_account_lifts_the_hold() -> None:
    bench, _ = quoting()
    for ms in (1_000, 2_000):
        bench.tell(AccountSeen(at(ms), Cash(0), (), ()))
    bench.tell(AccountSeen(at(3_000), Cash(500 * DOLLAR), (), ()))
    assert bench.engine.state.account_misses == 0


@pytest.mark.fault("F36")
def test_post_only_refusals_back_off_and_double() -> None:
    bench = Bench(knobs(complement_routing=True, reject_backoff_ms=500))
    sent = places(bench.tell(book(100, QUIET)))
    bench.accept(sent[1:], 150)
    bench.tell(OrderRejected(at(200), sent[0].order, "crosses book", "post_only"))
    assert bench.engine.state.rejects == {"post_only": 1}
    bench.tell(book(300, QUIET.replace("48x300", "48x310")))
    assert not bench.tick(600)
    again = places(bench.tell(book(750, QUIET)))
    assert [order.token for order in again] == ["yes"]
    bench.tell(OrderRejected(at(800), again[0].order, "crosses book", "post_only"))
    assert not places(bench.tell(book(1_400, QUIET.replace("48x300", "48x320"))))
    assert places(bench.tell(book(1_900, QUIET.replace("48x300", "48x330"))))


def test_a_closed_market_is_not_quoted_and_a_result_pays() -> None:
    bench, sent = quoting()
    bench.fill(sent[0], 10, 300)
    price = sent[0].price
    bench.tell(MarketClosed(at(400), MARKET.id))
    for order in sent:
        bench.tell(OrderCancelled(at(500), order.order, Size(10 * SHARE if order is sent[0] else 0)))
    bench.tell(MarketResolved(at(600), MARKET.id, ONE))
    state = bench.engine.state
    assert state.portfolio.cash == 500 * DOLLAR + 10 * (1_000_000 - price * 100)
    assert bench.engine.snapshot().markets[0].state == "resolved"
    assert not places(bench.tell(book(700, QUIET)))


def test_pause_pulls_and_resume_quotes_again() -> None:
    bench, sent = quoting()
    commands = bench.tell(Paused(at(1_000), "t"))
    assert sorted(cancels(commands)) == [order.order for order in sent]
    shown = bench.engine.snapshot()
    assert (shown.phase, shown.why, shown.markets[0].why) == ("paused", "paused by t", "paused by t"), "whoever it was"
    for order in sent:
        bench.tell(OrderCancelled(at(1_250), order.order, Size(0)))
    assert not places(bench.tick(1_400))
    assert len(places(bench.tell(Resumed(at(1_500), "t")))) == 2


def test_one_market_can_be_paused_alone() -> None:
    bench, sent = quoting()
    assert len(cancels(bench.tell(Paused(at(1_000), "t", MARKET.id)))) == len(sent)
    bench.tell(Resumed(at(1_100), "t", MARKET.id), Flattened(at(1_200), "t", MARKET.id, slippage_ticks=1), Paused(at(1_300), "t", "0" * 66))
    shown = bench.engine.snapshot()
    assert shown.phase == "running"
    assert [note.text for note in shown.notes[:4]] == [
        "t paused 0000000000", f"t flattens {MARKET.slug}", f"t resumed {MARKET.slug}", f"t paused {MARKET.slug}"
    ], "by its name, as people call it"  # fmt: skip


def test_a_pause_that_nobody_asked_for_says_why_and_no_operator() -> None:
    bench, _ = quoting()
    bench.tell(Paused(at(1_000), "operator watch", why="no sign of the operator for 900 s"))
    shown = bench.engine.snapshot()
    assert shown.why == shown.markets[0].why == "paused: no sign of the operator for 900 s"


def test_a_cancel_that_overtook_its_order_is_asked_again_when_the_order_arrives() -> None:
    bench = Bench(knobs(complement_routing=True))
    sent = places(bench.tell(book(100, QUIET)))
    assert len(cancels(bench.tell(Paused(at(110), "t")))) == 2
    assert cancels(bench.accept(sent, 250)) == [order.order for order in sent]


def test_flatten_cancels_then_sells_what_is_settled() -> None:
    bench, sent = quoting()
    bench.fill(sent[0], 10, 300)
    bench.tell(Flattened(at(400), "t", slippage_ticks=1))
    bench.tick(600)
    for order in bench.engine.state.live.copy():
        bench.tell(OrderCancelled(at(700), order, Size(10 * SHARE if order == sent[0].order else 0)))
    assert not places(bench.tick(900))
    (closing,) = places(bench.tell(FillSettled(at(1_000), "t1", sent[0].order, True)))
    assert (closing.side, closing.token, closing.kind, closing.size, closing.price) == (Side.SELL, "yes", Kind.IOC, 10 * SHARE, 4_700)
    bench.tell(OrderFilled(at(1_300), closing.order, "t9", Price(4_800), closing.size, maker=False))
    bench.tick(2_600)
    assert bench.engine.state.markets[MARKET.id].exiting is None
    assert bench.engine.snapshot().markets[0].state == "paused"
    assert not bench.engine.state.live


def test_a_new_tick_requotes_on_the_new_grid() -> None:
    bench, _ = quoting()
    bench.tell(TickSizeChanged(at(900), MARKET.id, at(900), Price(10)))
    commands = bench.tell(book(1_000, "47.5x500 48.1x300 | 52.7x500 51.9x300"))
    assert bench.engine.state.markets[MARKET.id].book.tick == 10
    assert all(order.price % 10 == 0 for order in places(commands))


def test_knobs_change_as_an_event() -> None:
    bench, _ = quoting()
    before = bench.engine.snapshot().markets[0].half_spread
    bench.tell(Retuned(at(1_000), "t", {"default_half_spread_bps": 600.0}))
    bench.tick(1_200)
    assert bench.engine.state.knobs.maker.default_half_spread_bps == 600.0
    assert bench.engine.snapshot().markets[0].half_spread > before


def test_trades_are_noticed() -> None:
    bench, _ = quoting()
    bench.tell(Traded(at(500), MARKET.id, at(500), Price(5_200), Size(SHARE), Side.BUY))
    assert bench.engine.snapshot().markets[0].last == 5_200


def test_equal_facts_give_equal_digests_and_one_more_does_not() -> None:
    one, _ = quoting()
    two, _ = quoting()
    assert one.engine.digest() == two.engine.digest()
    two.tell(Ticked(at(300)))
    assert one.engine.digest() != two.engine.digest()


def test_a_failed_trade_is_undone() -> None:
    bench, sent = quoting()
    bench.fill(sent[0], 10, 300)
    bench.tell(FillSettled(at(400), "t1", sent[0].order, False))
    assert bench.engine.state.portfolio.cash == 500 * DOLLAR
    assert bench.engine.state.portfolio.shares("yes") == 0


def test_events_tell_orders_and_fills_as_the_console_does_with_outcome_and_cents() -> None:
    bench, sent = quoting()
    bench.fill(sent[0], 10, 300)
    bench.tell(
        FillSettled(at(400), "t1", sent[0].order, False),
        OrderRejected(at(410), sent[1].order, "crosses book", "post_only"),
        TickSizeChanged(at(420), MARKET.id, at(420), Price(10)),
    )
    assert [note.text for note in bench.engine.snapshot().notes][:4] == [
        "test-market tick 0.1¢",
        f"order {sent[1].order} BUY 25 Down @ 48.0 refused: crosses book",
        "trade t1 failed on chain: BUY 10 Up @ 48.0 undone",
        "fill BUY 10 Up @ 48.0",
    ]


def kill(bench: Bench, ms: int) -> None:
    bench.tell(Killed(at(ms), "t", "test"))


def test_kill_cancels_all_asks_for_proof_and_latches() -> None:
    bench, sent = quoting()
    commands = bench.tell(Killed(at(1_000), "t", "test"))
    assert [type(command) for command in commands][:2] == [CancelAll, Sync]
    assert bench.engine.snapshot().phase == "killing"
    for order in sent:
        bench.tell(OrderCancelled(at(1_100), order.order, Size(0)))
    bench.tell(AccountSeen(at(1_200), Cash(500 * DOLLAR), (), ()))
    snapshot = bench.engine.snapshot()
    assert (snapshot.phase, snapshot.kill[2].at) == ("killed", at(1_200))
    assert next(note.level for note in snapshot.notes if "kill verified" in note.text) == "info", "good news"
    bench.tick(2_000)
    assert [step.at for step in bench.engine.snapshot().kill] == [at(1_000), at(1_200), at(1_200), 0], "cancelled before it is proven"
    bench.tell(Resumed(at(1_300), "t"), book(1_400, "57x500 58x300 | 63x500 62x300"))
    assert not places(bench.tick(3_000))


def test_a_kill_that_is_not_confirmed_is_asked_again() -> None:
    bench, _ = quoting()
    kill(bench, 1_000)
    assert sum(isinstance(command, CancelAll) for command in bench.tick(5_000)) >= 3
    assert bench.engine.snapshot().phase == "killing"
    assert bench.engine.snapshot().kill[2].at == 0


def test_only_a_verified_kill_is_reset() -> None:
    bench, sent = quoting()
    kill(bench, 1_000)
    bench.tell(KillReset(at(1_100), "t", "fine"))
    assert bench.engine.snapshot().phase == "killing"
    for order in sent:
        bench.tell(OrderCancelled(at(1_150), order.order, Size(0)))
    bench.tell(AccountSeen(at(1_200), Cash(500 * DOLLAR), (), ()))
    assert len(places(bench.tell(KillReset(at(1_300), "t", "fine")))) == 2
    assert bench.engine.snapshot().phase == "running"


def test_a_verified_kill_is_reset_only_after_its_cool_down() -> None:
    bench, sent = quoting(kill_cooldown_s=0.5)
    kill(bench, 1_000)
    for order in sent:
        bench.tell(OrderCancelled(at(1_150), order.order, Size(0)))
    bench.tell(AccountSeen(at(1_200), Cash(500 * DOLLAR), (), ()))
    assert bench.engine.snapshot().resets_at == at(1_500)
    assert not places(bench.tell(KillReset(at(1_300), "t", "fine")))
    assert (bench.engine.snapshot().phase, bench.engine.snapshot().notes[0].text) == (
        "killed", "t asked to reset the kill switch, which cools down for 1 s more",
    )  # fmt: skip
    assert len(places(bench.tell(KillReset(at(1_500), "t", "fine")))) == 2
    assert bench.engine.snapshot().resets_at == 0
