"""Section B of the catalogue, what lets orders leave at all: heartbeat, a desk that moves, the right contract, a network."""

import msgspec
import pytest
from msgspec import structs

from pmm_tui.core.events import LinkDown, LinkUp, OrderRejected, OrderUncertain
from pmm_tui.record.drawn import START
from pmm_tui.runtime.virtual import clock
from tests.faults.orders import NEAR, read_between, salts
from tests.faults.scene import playing
from tests.venues.clob_stand import timeless


@timeless
@pytest.mark.parametrize("how", ["silence", "401", "500"])
async def test_F37_nothing_is_sent_once_the_heartbeat_is_lost(how: str) -> None:
    async with playing(sync_interval_s=600.0) as scene:
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
        acked = max(at for at in scene.arrived("POST", "/v1/heartbeats", tripped) if at < up.at)
        assert read_between(scene, acked, up.at) and min(scene.arrived("POST", "/order", tripped)) > up.at


@timeless
async def test_F38_another_session_is_told_and_its_id_adopted() -> None:
    async with playing(sync_interval_s=600.0) as scene:
        began = clock()
        scene.cause("heartbeat_lost", how="mismatch", times=1)
        await scene.pulled(10)
        assert scene.noted("another session beats")
        told = clock()
        await scene.quoting(30)
        beats = [msgspec.json.decode(ask.body)["heartbeat_id"] for at, ask in scene.asks if ask.path == "/v1/heartbeats" and at >= began]
        [up, *_] = [fact for fact in scene.facts(LinkUp, told) if fact.link == "heartbeat"]
        acked = max(at for at in scene.arrived("POST", "/v1/heartbeats", began) if at < up.at)
        assert read_between(scene, acked, up.at)
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
