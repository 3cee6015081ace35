"""Sections E and F of the catalogue, as far as the exchange can cause them: grids, ends, revoked keys and the operator's kill."""

import pytest

from pmm_tui.core.events import LinkDown, MarketResolved, OrderFilled, TickSizeChanged
from pmm_tui.core.instructions import Killed
from pmm_tui.core.units import SECOND, SHARE
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.virtual import clock
from tests.faults.crowd import MARKET
from tests.faults.scene import playing
from tests.venues.clob_stand import timeless


@timeless
async def test_F74_a_new_grid_is_quoted_on_and_an_order_off_it_is_never_sent() -> None:
    async with playing() as scene:
        for tick, most in (("0.001", 10), ("0.01", 100)):
            began = clock()
            scene.cause("tick_change", tick=tick)
            scene.show(4_700, 5_300)
            await scene.until(lambda: scene.facts(TickSizeChanged, began), 2)  # noqa: B023 - asked before the next turn
            await scene.seconds(5)
            await scene.quoting()
            assert scene.market.book.tick == most and all(order.price % most == 0 for order in scene.resting())
            changed, *_ = scene.facts(TickSizeChanged, began)  # one for each token
            assert all(place.price % most == 0 for place in scene.places(changed.at))
        before = len(scene.facts(TickSizeChanged))
        scene.cause("tick_change", tick="0.01")  # the grid that it is already
        await scene.seconds(2)
        assert len(scene.facts(TickSizeChanged)) == before and len(scene.resting()) == 2


@timeless
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("payout", [0.0, 1.0])
async def test_F75_a_market_that_is_decided_while_it_is_quoted_is_settled_at_its_result(told: bool, payout: float) -> None:
    async with playing() as scene:
        scene.hit(next(order for order in scene.resting() if order.token == MARKET.yes))
        await scene.until(lambda: scene.engine.state.portfolio.fills, 2)
        if not told:
            scene.cause("drop_frames", channel="market", event="market_resolved")
        decided = clock()
        scene.cause("early_resolution", payout_yes=payout)
        assert not scene.resting()
        await scene.until(lambda: scene.facts(MarketResolved), 5 if told else 400)
        posted = scene.posted(decided)
        await scene.seconds(10)
        assert scene.posted(decided) == posted and not scene.engine.state.live
        [fill] = scene.engine.state.portfolio.fills.values()
        assert scene.engine.state.portfolio.realised == round((payout - 0.48) * 10 * SHARE) and fill.size == 10 * SHARE


@timeless
async def test_F75_an_end_that_the_venue_makes_of_every_order_is_no_error() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("clear_book")
        assert not scene.resting()
        await scene.seconds(1)
        scene.show(4_700, 5_300)
        await scene.quoting()
        assert scene.noted("cancelled by the venue") and not scene.facts(LinkDown, began)


@timeless
async def test_F83_a_revoked_key_halts_and_the_venues_switch_clears_what_rests() -> None:
    async with playing() as scene:
        scene.apart = True
        scene.cause("key_revoked")
        began = clock()
        await scene.until(lambda: scene.facts(LinkDown, began), 5)
        await scene.pulled(16)  # ten seconds without a heartbeat, looked at every five
        lost = clock()
        await scene.seconds(60)
        assert not scene.posted(lost) and scene.engine.state.links["venue"].why == "key refused"


@timeless
@pytest.mark.parametrize("share", [0.0, 0.3])
async def test_F84_a_kill_in_a_flood_and_with_failing_calls_leaves_nothing(share: float) -> None:
    async with playing(levels=5) as scene:
        await scene.until(lambda: len(scene.resting()) == 10, 10)
        scene.cause("duplicate_frames", channel="market", copies=200, ms=500, lasts=2)
        scene.cause("html_error", share=share, lasts=30)
        scene.tell(Killed(NOT_YET, "scene"))
        assert await scene.pulled(10) <= (1 if not share else 10)
        killed = clock()
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 30)
        assert not scene.places(killed) and not [fill for fill in scene.facts(OrderFilled) if fill.at > killed + SECOND]
