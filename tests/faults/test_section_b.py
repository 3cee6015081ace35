"""Section B of the catalogue, order entry and unknown state: no order is placed twice, none is forgotten."""

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from msgspec import structs

from pmm_tui.core.commands import Cancel, CancelAll, Command
from pmm_tui.core.events import LinkDown, LinkUp, OrderAccepted, OrderCancelled, OrderFilled, OrderRejected, OrderUncertain
from pmm_tui.core.instructions import Killed, Paused
from pmm_tui.core.orders.life import Status
from pmm_tui.core.units import SECOND, SHARE
from pmm_tui.exchange.fault_asks import legs, places
from pmm_tui.record.drawn import START
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.virtual import clock
from tests.faults.scene import Scene, playing
from tests.venues.clob_stand import timeless

NEAR = (4_600, 5_200)
"""Where the crowd moves so that the desk quotes anew: 0.47 for YES and 0.49 for NO."""


def salts(scene: Scene) -> Counter[str]:
    """How often each signed order was sent, by its salt and time."""
    found: Counter[str] = Counter()
    for _, ask in scene.asks:
        if places(ask):
            found.update(f"{leg['order']['salt']} {leg['order']['timestamp']}" for leg in legs(ask))
    return found


def one_for_each_wish(scene: Scene) -> bool:
    """No more than one order of the desk's rests at a price."""
    return max(Counter((order.token, order.side, order.price) for order in scene.resting()).values(), default=0) <= 1


async def unsure(scene: Scene, what: str, **told: Any) -> None:
    """The next POST, of two orders, comes to grief, and the user channel does not help: both are uncertain, and count as if they rested."""
    scene.cause("user_mute", lasts=8)
    scene.cause(what, times=1, **told)
    scene.show(*NEAR)
    await scene.until(lambda: scene.noted("order 3 uncertain") and scene.noted("order 4 uncertain"), 8)
    assert scene.engine.state.reserved >= 9_600_000  # 10 shares at 0.47 and 10 at 0.49


@timeless
@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("post_books_but_times_out", {}),
        ("post_lost", {}),
        ("drop_connection", {"channel": "rest", "path": "/order", "method": "POST", "booked": True}),
        ("drop_connection", {"channel": "rest", "path": "/order", "method": "POST", "booked": False}),
        ("slow", {"path": "/order", "method": "POST", "ms_min": 6_000.0, "ms": 7_000.0}),
    ],
)
async def test_F21_an_order_without_an_answer_counts_until_it_is_proven(what: str, told: dict[str, Any]) -> None:
    async with playing(sync_interval_s=60.0) as scene:
        began = clock()
        await unsure(scene, what, **told)
        placed = len(scene.places(began))
        while any(order.status is Status.UNCERTAIN for order in scene.engine.state.live.values()):
            assert len(scene.places(began)) == placed and one_for_each_wish(scene)
            await scene.seconds(0.1)
        await scene.quoting(30)
        assert one_for_each_wish(scene) and set(salts(scene).values()) == {1}


@timeless
@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("error_5xx_booked", {}),
        ("error_5xx_booked", {"status": 503}),
        ("error_5xx_unbooked", {}),
        ("error_5xx_unbooked", {"error": "could not run the execution"}),
        ("html_error", {"path": "/order", "method": "POST", "status": 502}),
    ],
)
async def test_F22_a_server_error_proves_nothing(what: str, told: dict[str, Any]) -> None:
    async with playing() as scene:
        began = clock()
        await unsure(scene, what, **told)
        assert not scene.facts(OrderRejected, began)
        await scene.quoting(30)
        assert one_for_each_wish(scene) and set(salts(scene).values()) == {1}


@timeless
async def test_F22_sixty_per_cent_of_the_orders_fail_for_a_minute() -> None:
    async with playing() as scene:
        scene.cause("error_5xx_booked", share=0.3, lasts=60)
        scene.cause("error_5xx_unbooked", share=0.4, error="could not run the execution", lasts=60)
        for second in range(60):
            scene.show(4_600 + 100 * (second % 3), 5_200 + 100 * (second % 3))
            await scene.seconds(1)
            assert one_for_each_wish(scene)
        assert scene.faults.struck["error_5xx_booked"] > 3 and scene.faults.struck["error_5xx_unbooked"] > 3
        await scene.quoting(30)
        assert set(salts(scene).values()) == {1}


@timeless
async def test_F23_a_restart_is_waited_out_ever_longer_and_reconciled_after() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("restart", lasts=90, post_only_s=120)
        scene.show(*NEAR)
        await scene.seconds(90)
        tries = scene.arrived("POST", "/order", began)
        assert 3 <= len(tries) <= 12 and tries[-1] - tries[-2] > 3 * (tries[1] - tries[0])
        assert {fact.reason for fact in scene.facts(LinkDown, began)} == {"restarting"}
        await scene.quoting(90)  # post-only is what it quotes anyway
        [up] = scene.facts(LinkUp, began)[-1:]
        assert max(at for at in scene.arrived("GET", "/data/orders", began) if at <= up.at) > tries[-2]


@timeless
@pytest.mark.parametrize("what", ["limited_layer1", "limited_layer2"])
async def test_F24_too_many_requests_are_waited_out_as_long_as_the_venue_said(what: str) -> None:
    async with playing() as scene:
        began = clock()
        scene.cause(what, path="/order", method="POST", retry_after_s=4, times=1)
        scene.show(*NEAR)
        await scene.until(lambda: scene.posted(began), 2)
        [first] = scene.arrived("POST", "/order", began)
        rate = scene.venue.limits.orders.rate
        await scene.quoting(30)
        again = scene.arrived("POST", "/order", began)[1]
        assert again - first >= 4 * SECOND and scene.places(began)
        assert scene.engine.state.rejects["limit"] == 2 and rate <= 40 / 2


@timeless
async def test_F24_while_orders_are_refused_cancels_still_leave() -> None:
    async with playing() as scene:
        scene.cause("limited_layer2", of="orders", retry_after_s=2)
        scene.show(*NEAR)
        await scene.seconds(2)
        scene.tell(Killed(NOT_YET, "scene"))
        await scene.pulled(1)


@timeless
async def test_F25_disabled_trading_lets_the_venues_own_switch_clear_what_cannot_be_cancelled() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("disabled", lasts=40)
        scene.show(*NEAR)
        await scene.until(lambda: scene.arrived("DELETE", "/order", began), 2)
        assert len(scene.resting()) == 2 and scene.engine.state.reserved >= 9_600_000
        beaten = scene.arrived("POST", "/v1/heartbeats", began)
        await scene.pulled(20)
        assert not scene.arrived("POST", "/v1/heartbeats", began)[len(beaten) + 1 :]
        await scene.until(lambda: not scene.engine.state.live, 20)
        assert any(fact.reason == "disabled" for fact in scene.facts(LinkDown, began))
        await scene.seconds(max(0.0, 40 - (clock() - began) / SECOND))
        await scene.quoting(60)


@timeless
async def test_F25_a_kill_goes_on_once_a_second_until_it_is_taken() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("disabled", lasts=6)
        scene.tell(Killed(NOT_YET, "scene"))
        await scene.seconds(6)
        tries = [at for path in ("/cancel-all", "/orders", "/cancel-market-orders") for at in scene.arrived("DELETE", path, began)]
        assert len(tries) >= 4 and scene.engine.state.kill.phase == "killing"
        await scene.pulled(8)
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 8)


@timeless
async def test_F26_cancel_only_cancels_and_places_nothing() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("cancel_only", lasts=30)
        scene.show(*NEAR)
        await scene.pulled(3)
        await scene.seconds(20)
        assert not scene.resting() and not scene.engine.state.live
        assert {fact.reason for fact in scene.facts(LinkDown, began)} == {"cancel_only"}
        gaps = [later - before for before, later in pairwise(scene.arrived("POST", "/order", began))]
        assert gaps == sorted(gaps)
        await scene.quoting(40)


@timeless
async def test_F27_every_command_twice_is_every_order_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing() as scene:
        send = scene.venue.send

        async def twice(command: Command) -> None:
            await send(command)
            await send(command)

        monkeypatch.setattr(scene.venue, "send", twice)
        for step in range(10):
            scene.show(4_600 + 100 * (step % 3), 5_200 + 100 * (step % 3))
            await scene.seconds(1)
            assert one_for_each_wish(scene)
        assert len(salts(scene)) >= 10 and set(salts(scene).values()) == {1}


@timeless
async def test_F28_a_failure_after_the_answer_is_no_reason_to_send_again() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("html_error", path="/data/trades", status=500, times=1)
        scene.show(*NEAR)
        await scene.until(lambda: scene.facts(OrderAccepted, began), 3)
        scene.hit()
        await scene.seconds(6)
        assert scene.faults.struck["html_error"] == 1
        assert set(salts(scene).values()) == {1} and not scene.facts(OrderUncertain, began)
        await scene.quoting(30)


@timeless
async def test_F29_a_fill_before_the_answer_is_booked_at_once() -> None:
    async with playing() as scene:
        before = {order.id for order in scene.resting()}
        scene.cause("fill_before_answer", ms=2_000, lasts=4)
        scene.show(*NEAR)
        await scene.until(lambda: [order for order in scene.resting() if order.id not in before], 3)
        hit = scene.hit(next(order for order in scene.resting() if order.id not in before))
        await scene.until(lambda: scene.facts(OrderFilled), 0.5)
        [fill] = scene.engine.state.portfolio.fills.values()
        assert fill.size == hit.size and scene.checks.ids[hit.id] == fill.order
        await scene.seconds(3)
        assert len(scene.engine.state.portfolio.fills) == 1
        await scene.quoting()


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
async def test_F34_a_whole_batch_that_is_unknown_is_each_order_unknown() -> None:
    async with playing(sync_interval_s=60.0) as scene:
        await unsure(scene, "post_books_but_times_out")
        await scene.quoting(30)
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


@timeless
@pytest.mark.parametrize("how", ["silence", "401", "500"])
async def test_F37_nothing_is_sent_once_the_heartbeat_is_lost(how: str) -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("heartbeat_lost", how=how, lasts=40)
        took = await scene.until(lambda: scene.facts(LinkDown, began), 10)
        assert took < 10 and scene.facts(LinkDown, began)[0].link == "heartbeat"  # before the venue cancels by itself
        tripped = clock()
        await scene.pulled(1)
        for second in range(20):
            scene.show(4_600 + 100 * (second % 2), 5_200 + 100 * (second % 2))
            await scene.seconds(1)
        assert not scene.posted(tripped)
        await scene.quoting(60)
        [up] = [fact for fact in scene.facts(LinkUp, tripped) if fact.link == "heartbeat"]
        assert scene.arrived("GET", "/data/orders", tripped)[-1] <= up.at or min(scene.arrived("POST", "/order", tripped)) > up.at


@timeless
async def test_F38_another_session_is_told_and_its_id_adopted() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("heartbeat_lost", how="mismatch", times=1)
        await scene.pulled(10)
        assert scene.noted("another session beats")
        told = clock()
        await scene.quoting(30)
        beats = [msgspec.json.decode(ask.body)["heartbeat_id"] for at, ask in scene.asks if ask.path == "/v1/heartbeats" and at >= began]
        [up, *_] = [fact for fact in scene.facts(LinkUp, told) if fact.link == "heartbeat"]
        assert beats[0] != beats[1] and min(scene.arrived("POST", "/order", told)) > up.at


@timeless
async def test_F39_after_a_stall_the_quotes_are_pulled_before_anything_is_placed() -> None:
    async with playing() as scene:
        began = clock()
        scene.show(*NEAR)
        scene.stall(4)
        await scene.pulled(1)
        assert scene.noted("stood still for 4") or scene.noted("stood still for 3.")
        assert not scene.posted(began)
        took = await scene.quoting(10)
        assert took >= 0.5 and not scene.facts(OrderUncertain, began)


@timeless
async def test_F39_what_was_decided_before_a_stall_does_not_leave_after_it() -> None:
    async with playing() as scene:
        began = clock()
        scene.stall(4)
        await scene.venue.send(structs.replace(scene.places(START)[0], order=999))
        await scene.seconds(0.05)
        assert not scene.posted(began)
        assert [(fact.order, fact.reason) for fact in scene.facts(OrderRejected, began)] == [(999, "the desk stood still")]
        await scene.quoting(10)


@timeless
async def test_F39_nothing_beats_for_a_desk_that_stands_still() -> None:
    async with playing() as scene:
        await scene.until(lambda: scene.venue.heartbeat.acked, 1)
        scene.stall(12)
        began = clock()
        await scene.seconds(0.5)
        assert not scene.arrived("POST", "/v1/heartbeats", began) and not scene.posted(began)
        await scene.quoting(30)


@timeless
@pytest.mark.parametrize("how", ["silent", "refused"])
async def test_F44_a_dead_network_pulls_everything_and_the_venues_switch_does_the_rest(how: str) -> None:
    async with playing() as scene:
        scene.network.cut = how
        scene.sockets.snap()
        began = clock()
        await scene.seconds(20)
        assert not scene.resting() and scene.market.hold
        placed = scene.places(began)
        assert not placed
        scene.network.cut = ""
        await scene.quoting(90)
        assert set(salts(scene).values()) == {1}


@timeless
async def test_F41_a_market_whose_neg_risk_flags_disagree_is_not_traded() -> None:
    async with playing(first={"what": "wrong_neg_risk", "path": "/gamma", "for": 40}) as scene:
        await scene.seconds(40)
        assert scene.market.market.neg_risk and scene.places(START) and not scene.posted()
        assert scene.noted("refused: neg-risk is false at the CLOB, true at Gamma")
        await scene.quoting(400)  # as soon as Gamma is asked anew and both agree
        assert not scene.market.market.neg_risk


@timeless
async def test_F41_a_flag_that_changes_while_the_desk_runs_stops_its_orders_too() -> None:
    async with playing() as scene:
        scene.cause("wrong_neg_risk", path="/gamma", lasts=330)
        await scene.until(lambda: scene.market.market.neg_risk, 320)
        turned = clock()
        scene.show(*NEAR)
        await scene.seconds(5)
        assert scene.places(turned) and not scene.posted(turned)
        scene.cease()
        await scene.quoting(400)
