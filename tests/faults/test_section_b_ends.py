"""Section B of the catalogue, cancels and refusals: an order is exposure until its end is proven, and a no is not asked for in a loop."""

from collections import Counter

import pytest

from pmm_tui.core.commands import Cancel, CancelAll
from pmm_tui.core.events import OrderAccepted, OrderCancelled, OrderRejected
from pmm_tui.core.instructions import Killed, Paused
from pmm_tui.core.units import SECOND, SHARE
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.virtual import clock
from tests.faults.orders import NEAR, one_for_each_wish, salts
from tests.faults.scene import playing
from tests.venues.clob_stand import timeless


@timeless
@pytest.mark.parametrize("what", ["post_books_but_times_out", "post_lost"])
async def test_F30_a_cancel_goes_by_the_hash_while_the_answer_is_still_open(what: str) -> None:
    async with playing() as scene:
        scene.cause("user_mute", lasts=8)
        scene.cause(what, times=1)
        scene.show(*NEAR)
        began = clock()
        await scene.until(lambda: scene.posted(began), 2)
        scene.tell(Paused(NOT_YET, "scene"))
        told = clock()
        assert await scene.until(lambda: scene.arrived("DELETE", "/orders", told), 2) > 0.5  # so long the answer is waited for
        await scene.pulled(3)
        await scene.until(lambda: not scene.engine.state.live, 40)
        assert set(salts(scene).values()) == {1}


@timeless
@pytest.mark.parametrize("applied", [0.0, 1.0])
async def test_F31_an_order_whose_cancel_is_not_answered_stays_exposure(applied: float) -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("cancel_lost", applied=applied, times=2)
        scene.cause("user_mute", lasts=5)
        scene.tell(Killed(NOT_YET, "scene"))
        await scene.until(lambda: scene.arrived("DELETE", "/", began), 1)
        assert len(scene.engine.state.live) == 2 and scene.engine.state.kill.phase == "killing"
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 30)
        assert not scene.resting() and len(scene.arrived("DELETE", "/", began)) >= (1 if applied else 2)


@timeless
async def test_F31_after_three_cancels_the_market_and_then_everything() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("cancel_lost", applied=0.0, lasts=45)
        scene.show(*NEAR)
        await scene.seconds(45)
        tries = [ask.path for at, ask in scene.asks if ask.method == "DELETE" and at >= began]
        assert tries[:4] == ["/orders", "/orders", "/orders", "/cancel-market-orders"] and "/cancel-all" in tries[4:]
        assert len(scene.engine.state.live) >= 2 and scene.said(Cancel, began) and not scene.said(CancelAll, began)
        await scene.quoting(60)


@timeless
@pytest.mark.parametrize("mute", [False, True])
async def test_F32_a_cancel_that_finds_nothing_asks_the_trades(mute: bool) -> None:
    async with playing() as scene:
        if mute:
            scene.cause("user_mute", lasts=5)
        scene.cause("cancel_races_fill", part=1, times=1)
        scene.show(*NEAR)
        await scene.until(lambda: scene.engine.state.portfolio.fills, 5)
        assert {fill.size for fill in scene.engine.state.portfolio.fills.values()} == {10 * SHARE}
        await scene.quoting(30)


@timeless
@pytest.mark.parametrize("part", [0.3, 0.7])
@pytest.mark.parametrize("late_ms", [0, 3_000])
async def test_F33_a_part_that_fills_while_it_is_cancelled_is_counted(part: float, late_ms: int) -> None:
    async with playing() as scene:
        if late_ms:
            scene.cause("late_frames", channel="user", event="trade", ms=late_ms, lasts=5)
        scene.cause("cancel_races_fill", part=part, times=1)
        scene.show(*NEAR)
        fills = scene.engine.state.portfolio.fills
        await scene.until(lambda: any(fill.order == 1 for fill in fills.values()), 8)
        await scene.quoting(30)
        filled = Counter[int]()
        for fill in fills.values():
            filled[fill.order] += fill.size
        ended = {fact.order: fact.matched for fact in scene.facts(OrderCancelled)}
        assert filled[1] == ended[1] == round(part * 10) * SHARE
        assert all(matched == filled[order] for order, matched in ended.items())


@timeless
async def test_F34_some_legs_of_a_batch_are_refused() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("batch_partial", times=1)
        scene.show(*NEAR)
        await scene.until(lambda: scene.facts(OrderRejected, began) and scene.facts(OrderAccepted, began), 5)
        assert [fact.reason for fact in scene.facts(OrderRejected, began)] == ["could not insert order"]
        await scene.quoting(10)
        assert one_for_each_wish(scene)


@timeless
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not enough balance / allowance: the balance is not enough -> balance: 5, sum of active orders: 0, order amount: 9", "balance"),
        ("order 0x1 is invalid. Price (0.495) breaks minimum tick size rule: 0.01", "tick"),
        ("order 0x1 is invalid. Size (3) lower than the minimum: 5", "size"),
        ("invalid post-only order: order crosses book", "post_only"),
        ("'0x1' address in closed only mode", "closed"),
    ],
)
async def test_F35_a_refusal_has_a_meaning_and_the_desk_comes_back(text: str, code: str) -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("refuse_orders", error=text, lasts=3)
        scene.show(*NEAR)
        await scene.until(lambda: scene.facts(OrderRejected, began), 3)
        assert {fact.code for fact in scene.facts(OrderRejected, began)} == {code}
        first = scene.arrived("POST", "/order", began)
        await scene.seconds(0.4)
        assert scene.arrived("POST", "/order", began) == first  # no loop: a refused side waits
        if code == "balance":
            assert scene.arrived("GET", "/balance-allowance/update", began)
        if code == "tick":
            assert scene.books.resyncs
        await scene.quoting(60)


@timeless
async def test_F35_what_the_venues_balance_does_not_cover_comes_back_smaller() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("leaked_matched_sum", balance=500, leak=497, lasts=8)  # three dollars are left: 6 shares, not 10
        scene.show(*NEAR)
        await scene.until(lambda: len(scene.resting()) == 2 and scene.facts(OrderRejected, began), 8)
        assert {order.size for order in scene.resting()} == {5 * SHARE}
        await scene.until(lambda: {order.size for order in scene.resting()} == {10 * SHARE}, 60)


@timeless
async def test_F36_post_only_refusals_in_a_row_are_chased_ever_more_slowly() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("refuse_orders", lasts=60)
        for second in range(60):
            scene.show(4_600 + 100 * (second % 2), 5_200 + 100 * (second % 2))
            await scene.seconds(1)
        tries = scene.arrived("POST", "/order", began)
        assert 4 <= len(tries) <= 16 and tries[-1] - tries[-2] > 10 * SECOND
        await scene.quoting(70)
