"""Section B of the catalogue, order entry: whatever becomes of an answer, no order is placed twice, none is forgotten."""

from itertools import pairwise
from typing import Any

import pytest

from pmm_tui.core.commands import Alert, Command
from pmm_tui.core.events import LinkDown, LinkUp, OrderAccepted, OrderFilled, OrderRejected, OrderUncertain
from pmm_tui.core.instructions import Killed
from pmm_tui.core.orders.life import Status
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.virtual import clock
from tests.faults.orders import NEAR, READS, one_for_each_wish, read_between, salts
from tests.faults.scene import Scene, playing
from tests.venues.clob_stand import timeless


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
    async with playing(sync_interval_s=600.0) as scene:
        began = clock()
        scene.cause("restart", lasts=90, post_only_s=120)
        scene.show(*NEAR)
        await scene.seconds(90)
        tries = scene.arrived("POST", "/order", began)
        assert 3 <= len(tries) <= 12 and tries[-1] - tries[-2] > 3 * (tries[1] - tries[0])
        assert {fact.reason for fact in scene.facts(LinkDown, began)} == {"restarting"}
        await scene.quoting(90)  # post-only is what it quotes anyway
        [up] = scene.facts(LinkUp, began)[-1:]
        refused = max(at for at in scene.arrived("POST", "/order", began) if at < up.at)
        assert read_between(scene, Nanos(max(refused, up.at - SECOND // 2)), up.at), "after the wait, right before orders may leave"


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
        assert [alert.level for alert in scene.said(Alert, began) if alert.key == "venue"] == ["alarm"]
        await scene.seconds(max(0.0, 40 - (clock() - began) / SECOND))
        await scene.quoting(60)


@timeless
async def test_F25_a_kill_goes_on_once_a_second_until_it_is_taken() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("disabled", lasts=30)
        scene.tell(Killed(NOT_YET, "scene"))
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 29)  # the venue's own switch did it
        tries = sorted(at for path in ("/cancel-all", "/orders", "/cancel-market-orders") for at in scene.arrived("DELETE", path, began))
        gaps = [(later - before) / SECOND for before, later in pairwise(tries)]
        assert len(tries) >= 10 and max(gaps) <= 1.05
        assert {alert.key for alert in scene.said(Alert, began) if alert.level == "alarm"} == {"kill", "venue"}
        assert not scene.resting()


@timeless
async def test_F24_readings_wait_as_long_as_the_venue_said() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("limited_layer1", path="/data/orders", method="GET", retry_after_s=40, times=1)
        await scene.until(lambda: scene.faults.struck.get("limited_layer1"), 10)
        told = clock()
        await scene.seconds(39)
        assert not [at for path in READS for at in scene.arrived("GET", path, told)]
        assert [fact.reason[:27] for fact in scene.facts(LinkDown, began)][:1] == ["the venue wants no reading "]
        await scene.quoting(20)


@timeless
async def test_F24_cancels_wait_as_long_as_the_venue_said_and_a_kill_goes_once_against_it() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("limited_layer2", of="cancels", retry_after_s=20)
        scene.show(*NEAR)
        await scene.until(lambda: scene.arrived("DELETE", "/order", began), 2)
        await scene.seconds(10)
        assert len(scene.arrived("DELETE", "/", began)) == 1
        scene.tell(Killed(NOT_YET, "scene"))
        await scene.seconds(15)
        assert len(scene.arrived("DELETE", "/", began)) == 2, "the cancel-all, which was told to wait twenty seconds more"
        scene.cease()
        await scene.pulled(10)
        assert scene.arrived("DELETE", "/", began)[2] - scene.arrived("DELETE", "/", began)[1] >= 20 * SECOND
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
async def test_F34_a_whole_batch_that_is_unknown_is_each_order_unknown() -> None:
    async with playing(sync_interval_s=60.0) as scene:
        await unsure(scene, "post_books_but_times_out")
        await scene.quoting(30)
        assert one_for_each_wish(scene)
