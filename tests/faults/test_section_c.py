"""Section C of the catalogue, fills and positions: what is traded is booked once, in its own terms, and what is not ours is seen."""

import pytest

from pmm_tui.core.commands import Alert
from pmm_tui.core.events import ExternalFilled, FillSettled, LinkDown, LinkUp, MarketListed, OrderCancelled, OrderFilled
from pmm_tui.core.instructions import Flattened, Paused
from pmm_tui.core.market import Side
from pmm_tui.core.portfolio import Fill
from pmm_tui.core.units import DOLLAR, SECOND, SHARE
from pmm_tui.exchange.admission import Rules
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.virtual import clock
from tests.faults.crowd import MARKET
from tests.faults.scene import Scene, playing
from tests.venues.clob_stand import timeless


def fills(scene: Scene) -> list[Fill]:
    """What the desk booked, each fill once."""
    return list(scene.engine.state.portfolio.fills.values())


def held(scene: Scene) -> tuple[int, int]:
    """The desk's shares, YES and NO."""
    portfolio = scene.engine.state.portfolio
    return int(portfolio.shares(MARKET.yes)), int(portfolio.shares(MARKET.no))


def slow(seconds: int) -> Rules:
    """A chain that takes its time."""
    return Rules(mined_after_ms=seconds * 1_000, confirmed_after_ms=500)


@timeless
async def test_F45_a_trade_that_fails_on_chain_is_undone_with_all_it_moved() -> None:
    async with playing(Scene(rules=slow(10))) as scene:
        scene.cause("match_then_fail", lasts=1)
        scene.hit(next(order for order in scene.resting() if order.token == MARKET.yes))
        began = clock()
        await scene.until(lambda: held(scene) == (10 * SHARE, 0), 1)
        await scene.until(lambda: scene.facts(FillSettled), 20)
        assert not [place for place in scene.places(began) if place.side is Side.SELL]  # only what is confirmed is sold
        assert held(scene) == (0, 0) and scene.engine.state.portfolio.cash == 500 * DOLLAR
        assert [fill.status for fill in fills(scene)] == ["FAILED"] and scene.market.hold == "a trade failed on chain: waiting"
        assert [alert.key for alert in scene.said(Alert) if alert.key.startswith("failed:")]
        await scene.quoting(20)
        assert clock() - scene.market.failed_at >= 10 * SECOND


@timeless
async def test_F45_more_than_two_failures_in_ten_minutes_kill() -> None:
    async with playing(failed_hold_s=0.0) as scene:
        scene.cause("match_then_fail")
        for _ in range(3):
            await scene.quoting()
            scene.hit()
            await scene.seconds(3)
        assert scene.engine.state.kill.phase == "killed" and not scene.resting()
        assert "3 trades failed on chain" in scene.engine.state.kill.why and held(scene) == (0, 0)


@timeless
async def test_F45_a_third_of_the_trades_fail_half_a_minute_later() -> None:
    async with playing(Scene(rules=slow(30), failed_trades_max=1_000, failed_hold_s=0.0, max_position_size=500.0)) as scene:
        scene.cause("match_then_fail", share=0.35, lasts=60)
        for _ in range(20):
            await scene.quoting()
            scene.hit()
            await scene.seconds(2)
        await scene.seconds(50)
        ended = [fill.status for fill in fills(scene)]
        assert "FAILED" in ended and "CONFIRMED" in ended and len(ended) >= 20


@timeless
async def test_F46_a_trade_that_is_retried_for_minutes_stays_pending_and_is_told() -> None:
    async with playing() as scene:
        scene.cause("retrying", ms=150_000, lasts=1)
        scene.hit(next(order for order in scene.resting() if order.token == MARKET.yes))
        began = clock()
        await scene.until(lambda: [alert for alert in scene.said(Alert) if alert.key == "overdue"], 130)
        assert clock() - began >= 119 * SECOND
        assert held(scene) == (10 * SHARE, 0) and [fill.status for fill in fills(scene)] == ["MATCHED"]
        assert not [place for place in scene.places(began) if place.side is Side.SELL]
        await scene.until(lambda: fills(scene)[0].status == "CONFIRMED", 60)
        assert scene.engine.state.kill.phase == "ok"


@timeless
async def test_F47_a_fill_told_three_times_by_three_mouths_counts_once() -> None:
    async with playing(sync_interval_s=1.0) as scene:
        scene.cause("duplicate_frames", channel="user", copies=2, ms=3_000)
        scene.hit(part=0.5)
        await scene.seconds(2)
        scene.sockets.snap()
        await scene.seconds(6)
        assert [fill.size for fill in fills(scene)] == [5 * SHARE]
        assert len(scene.facts(OrderFilled)) >= 2 and scene.engine.state.portfolio.fill_count == 1


@timeless
async def test_F48_a_fill_of_an_order_believed_cancelled_is_booked_all_the_same() -> None:
    async with playing() as scene:
        scene.cause("user_mute", lasts=6)
        scene.cause("html_error", path="/data/trades", status=500, lasts=4)
        scene.cause("cancel_races_fill", part=0.5, times=1)
        scene.tell(Paused(NOT_YET, "scene"))
        await scene.until(lambda: scene.facts(OrderCancelled), 3)
        assert not fills(scene)
        await scene.until(lambda: len(fills(scene)) == 2, 15)
        assert {fill.size for fill in fills(scene)} == {5 * SHARE} and held(scene) == (5 * SHARE, 5 * SHARE)
        assert scene.engine.state.kill.phase == "ok"


@timeless
async def test_F48_a_trade_of_the_wallet_that_is_not_the_desks_is_external() -> None:
    async with playing() as scene:
        scene.by_hand(price=0.99, shares=20, rests=False)  # ten of the desk's own bid for NO, ten of the crowd
        await scene.until(lambda: held(scene) == (20 * SHARE, 10 * SHARE), 3)
        assert {fact.size for fact in scene.facts(ExternalFilled)} == {10 * SHARE}
        assert scene.noted("EXTERNAL BUY 10 Yes @ 53.0") and [alert for alert in scene.said(Alert) if alert.key == "external"]
        await scene.quoting()
        assert scene.engine.state.kill.phase == "ok"


@timeless
async def test_F49_dust_beyond_the_size_is_accepted() -> None:
    async with playing() as scene:
        scene.cause("overfill", shares=0.01)
        await scene.until(lambda: fills(scene), 3)
        assert [fill.size for fill in fills(scene)] == [10_010_000]
        await scene.quoting()
        assert scene.engine.state.kill.phase == "ok"


@timeless
async def test_F49_a_fill_far_beyond_the_size_kills() -> None:
    async with playing() as scene:
        scene.cause("overfill", shares=5)
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 5)
        assert "filled beyond its size: 15 of 10" in scene.engine.state.kill.why and not scene.resting()
        assert [fill.size for fill in fills(scene)] == [15 * SHARE]


@timeless
@pytest.mark.parametrize(
    ("token", "side", "price", "ours"),
    [
        (MARKET.yes, Side.SELL, 4_800, MARKET.yes),  # a seller of YES meets our bid
        (MARKET.no, Side.BUY, 5_200, MARKET.yes),  # a buyer of NO: a pair is minted
        (MARKET.no, Side.SELL, 4_800, MARKET.no),
        (MARKET.yes, Side.BUY, 5_200, MARKET.no),
    ],
)
async def test_F50_a_makers_fill_is_in_its_own_terms_whatever_the_taker_did(token: str, side: Side, price: int, ours: str) -> None:
    async with playing() as scene:
        scene.take(token, side, price, 4)
        await scene.until(lambda: fills(scene), 1)
        [fill] = fills(scene)
        assert (fill.token, fill.side, fill.price, fill.size, fill.fee) == (ours, Side.BUY, 4_800, 4 * SHARE, 0)
        assert scene.engine.state.portfolio.cash == 500 * DOLLAR - 1_920_000


@timeless
@pytest.mark.parametrize(("token", "side"), [(MARKET.yes, Side.BUY), (MARKET.no, Side.SELL)])
async def test_F50_F51_one_taker_meets_two_of_our_orders_on_both_tokens(token: str, side: Side) -> None:
    async with playing() as scene:
        scene.take(MARKET.yes, Side.SELL, 4_800, 5)

        def both() -> bool:
            asks = {(order.token, order.side, order.price, order.size) for order in scene.resting()}
            wanted = {(MARKET.yes, Side.SELL, 5_200, 5 * SHARE), (MARKET.no, Side.BUY, 4_800, 5 * SHARE)}
            return wanted <= asks

        await scene.until(both, 10)
        scene.take(token, side, 5_200 if side is Side.BUY else 4_800, 10)
        await scene.until(lambda: len(fills(scene)) == 3, 2)
        _, *two = fills(scene)
        assert len({fill.trade for fill in two}) == 1 and len({fill.order for fill in two}) == 2
        assert {(fill.token, fill.side, fill.price, fill.size) for fill in two} == {
            (MARKET.yes, Side.SELL, 5_200, 5 * SHARE),
            (MARKET.no, Side.BUY, 4_800, 5 * SHARE),
        }
        assert held(scene) == (0, 5 * SHARE)


@timeless
async def test_F51_one_taker_sweeps_three_levels_of_ours() -> None:
    async with playing(levels=3) as scene:
        await scene.until(lambda: len(scene.resting()) == 6, 5)
        scene.take(MARKET.yes, Side.SELL, 4_500, 1_000)
        await scene.until(lambda: len(fills(scene)) == 3, 2)
        assert len({fill.trade for fill in fills(scene)}) == 3 and held(scene) == (30 * SHARE, 0)


@timeless
async def test_F52_a_mute_user_channel_is_found_out_by_the_account() -> None:
    async with playing() as scene:
        scene.cause("user_mute")
        scene.hit()
        began = clock()
        await scene.until(lambda: [fact for fact in scene.facts(LinkDown, began) if fact.link == "user"], 14)
        assert "stale: it never told of trade" in scene.facts(LinkDown, began)[0].reason
        await scene.until(lambda: [fact for fact in scene.facts(LinkUp, began) if fact.link == "user"], 10)
        assert len(fills(scene)) == 1
        [up] = scene.facts(LinkUp, began)
        lost = scene.facts(LinkDown, began)[0].at
        assert [at for at in scene.arrived("GET", "/data/orders", lost) if at <= up.at]
        assert not [at for at in scene.arrived("POST", "/order", lost) if at <= up.at]
        await scene.quoting()


@timeless
async def test_F53_what_happened_while_the_user_channel_was_away_is_known_before_it_counts_again() -> None:
    async with playing(sync_interval_s=60.0) as scene:
        scene.cause("refuse_upgrade", path="/ws/user", status=429, lasts=5)
        scene.cause("drop_connection", channel="user", times=1)
        scene.hit(part=0.3)
        await scene.until(lambda: scene.facts(LinkDown)[-1].at > clock() - SECOND, 1)
        lost = clock()
        scene.matching.cancel_where(scene.wallet, clock())
        await scene.until(lambda: scene.facts(LinkUp, lost), 15)
        [up] = scene.facts(LinkUp, lost)
        assert up.link == "user" and not [at for at in scene.arrived("POST", "/order", lost) if at <= up.at]
        assert [fill.size for fill in fills(scene)] == [3 * SHARE]
        assert {fact.order for fact in scene.facts(OrderCancelled) if fact.at <= up.at} == {1, 2}
        await scene.quoting()


@timeless
@pytest.mark.parametrize("shares", [25.0, -5.0])
async def test_F54_a_position_that_differs_holds_at_the_second_reading_and_kills_at_the_third(shares: float) -> None:
    async with playing() as scene:
        scene.apart = True
        scene.hit(next(order for order in scene.resting() if order.token == MARKET.yes))
        await scene.until(lambda: fills(scene) and fills(scene)[0].status == "CONFIRMED", 10)
        await scene.seconds(1)
        count = scene.engine.state.portfolio.fill_count
        scene.cause("balance_moves", shares=shares)
        await scene.until(lambda: scene.engine.state.account_misses == 2, 20)
        await scene.pulled(1)
        assert scene.market.hold == "the venue's account does not match ours"
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 20)
        assert scene.engine.state.portfolio.fill_count == count and held(scene) == (10 * SHARE, 0)  # nothing is made up to fit


@timeless
async def test_F54_money_that_leaves_is_seen_too() -> None:
    async with playing() as scene:
        scene.apart = True
        scene.cause("balance_moves", dollars=-30)
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 30)
        assert "cash by -30" in scene.engine.state.kill.why and not scene.resting()


@timeless
async def test_F55_a_failed_reading_is_no_empty_account() -> None:
    async with playing() as scene:
        scene.hit(next(order for order in scene.resting() if order.token == MARKET.yes))
        await scene.quoting()
        before = scene.engine.state.portfolio.fill_count
        for path in ("/data/orders", "/data/trades", "/balance-allowance"):
            scene.cause("html_error", path=path, status=500, share=0.5, lasts=10)
        await scene.seconds(10)
        assert scene.engine.state.account_misses == 0 and scene.engine.state.kill.phase == "ok"
        assert held(scene) == (10 * SHARE, 0) and scene.engine.state.portfolio.fill_count == before
        await scene.quoting(60)


@timeless
async def test_F56_an_order_by_hand_is_shown_counted_and_left_alone() -> None:
    async with playing() as scene:
        scene.by_hand(price=0.2, shares=50)
        await scene.until(lambda: scene.market.external, 5)
        [external] = scene.market.external
        assert (external.side, external.price, external.size) == (Side.BUY, 2_000, 50 * SHARE)
        assert scene.noted("EXTERNAL order in scene-1") and scene.engine.state.reserved >= 10 * DOLLAR
        began = clock()
        for step in range(5):
            scene.show(4_600 + 100 * (step % 2), 5_200 + 100 * (step % 2))
            await scene.seconds(1)
        assert scene.places(began)  # the caps hold, and so it quotes on
        assert scene.checks.foreign <= {order.id for order in scene.matching.open_orders(scene.wallet)}


@timeless
async def test_F56_what_rests_by_hand_takes_its_room_from_the_desk() -> None:
    async with playing(max_position_size=12.0) as scene:
        scene.by_hand(price=0.2, shares=6)
        await scene.until(lambda: scene.market.external, 5)
        await scene.seconds(3)
        scene.show(4_600, 5_200)
        await scene.seconds(3)
        bids = [order for order in scene.resting() if order.token == MARKET.yes and order.side is Side.BUY]
        assert sum(order.size for order in bids) <= 6 * SHARE


@timeless
async def test_F57_new_fees_are_learned_within_five_minutes_and_then_paid_to_the_cent() -> None:
    async with playing() as scene:
        scene.cause("fee_change", rate=0.2)
        await scene.until(lambda: scene.market.market.fees.rate == 0.2, 300)
        assert scene.facts(MarketListed)[-1].market.fees.rate == 0.2
        scene.hit(next(order for order in scene.resting() if order.token == MARKET.yes))
        await scene.until(lambda: fills(scene) and fills(scene)[0].status == "CONFIRMED", 10)
        scene.tell(Flattened(NOT_YET, "scene", slippage_ticks=5))
        await scene.until(lambda: held(scene) == (0, 0), 20)
        assert fills(scene)[-1].fee > 0 and scene.engine.state.account_misses == 0


@timeless
async def test_F57_fees_that_were_not_what_was_expected_are_a_difference() -> None:
    async with playing() as scene:
        scene.apart = True
        scene.hit(next(order for order in scene.resting() if order.token == MARKET.yes))
        await scene.until(lambda: fills(scene) and fills(scene)[0].status == "CONFIRMED", 10)
        scene.cause("fee_change", rate=0.5)
        scene.cause("stale_gamma", age_s=86_400)
        scene.tell(Flattened(NOT_YET, "scene", slippage_ticks=5))
        await scene.until(lambda: scene.engine.state.account_misses >= 2, 40)
        assert scene.noted("the venue's account does not match ours") or scene.noted("account differs, time ")


@timeless
@pytest.mark.parametrize("shares", [10.0])
async def test_F58_pairs_made_past_the_desk_are_no_fill_and_stop_it(shares: float) -> None:
    async with playing() as scene:
        scene.apart = True
        began = clock()
        scene.cause("pairs_by_hand", shares=shares)
        await scene.until(lambda: scene.engine.state.kill.phase == "killed", 30)
        assert not fills(scene) and not scene.facts(ExternalFilled, began) and not scene.resting()
        assert "does not match ours: cash by -10" in scene.engine.state.kill.why
