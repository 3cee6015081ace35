"""F59 with orders on their way: a desk is killed after it sent them, the next one starts, and only then does the venue book them."""

import pytest

from pmm_tui.core.commands import Alert
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import AccountSeen, ExternalFilled, LinkDown, OrderSigned
from pmm_tui.core.market import Side
from pmm_tui.core.units import DOLLAR, SHARE, Price, Size
from pmm_tui.exchange.terms import Lasts, Order
from pmm_tui.runtime.drill_checks import Checks
from pmm_tui.runtime.virtual import clock
from tests.faults.crowd import MARKET
from tests.faults.scene import Recorded, Scene, playing, twin
from tests.venues.clob_stand import timeless


async def killed(scene: Scene) -> frozenset[str]:
    """kill -9: nothing is said to anybody, and what is on its way goes on. The ids that the desk wrote down."""
    await scene.crew.end()
    await scene.venue._chores.close()
    scene.sockets.snap()
    await scene.http.aclose()
    return frozenset(fact.venue_id.lower() for fact in scene.facts(OrderSigned))


async def started(scene: Scene, earlier: frozenset[str]) -> None:
    """The next desk with the same key, and with what the runs before it wrote down."""
    scene.earlier |= earlier
    scene.engine = Engine(scene.knobs)
    scene.checks = Checks(scene.engine, scene.matching, scene.wallet, 0, foreign=set(scene.earlier))
    scene.desk = Recorded(scene.engine, scene.checks)
    await scene.begin()
    await scene.quoting()


def late_ones(scene: Scene) -> set[str]:
    """Orders of before this run that rest."""
    return {order.id for order in scene.matching.open_orders(scene.wallet)} & scene.earlier


@timeless
@pytest.mark.parametrize("mute", [False, True])
async def test_F59_orders_that_the_venue_books_after_the_next_start_are_cancelled_at_once(mute: bool) -> None:
    async with playing() as scene:
        scene.cause("slow", path="/order", method="POST", ms_min=9_000, ms=9_500, times=1)
        scene.show(4_500, 5_100)
        await scene.until(lambda: scene.faults.struck.get("slow"), 5)
        await scene.seconds(0.3)
        signed = await killed(scene)
        late = {one for one in signed if one not in scene.matching.orders}
        await started(scene, signed)
        assert late and not late & scene.matching.orders.keys(), "they are still on their way"
        if mute:
            scene.cause("user_mute", lasts=30)
        await scene.until(lambda: late & scene.matching.orders.keys(), 10)
        booked = clock()
        await scene.until(lambda: not late_ones(scene), 12 if mute else 0.5)
        assert not scene.engine.state.portfolio.fill_count
        await scene.seconds(15)
        seen = scene.facts(AccountSeen)[-1]
        assert not seen.external and not [fact for fact in scene.facts(LinkDown, booked) if fact.link in ("account", "heartbeat")]


@timeless
async def test_F59_what_such_an_order_trades_before_it_is_cancelled_is_booked() -> None:
    async with playing() as scene:
        scene.cause("slow", path="/order", method="POST", ms_min=9_000, ms=9_500, times=1)
        scene.show(4_500, 5_100)
        await scene.until(lambda: scene.faults.struck.get("slow"), 5)
        signed = await killed(scene)
        await started(scene, signed)
        late = {one for one in signed if one not in scene.matching.orders}
        scene.cause("user_mute", lasts=30)
        await scene.until(lambda: late & scene.matching.orders.keys(), 10)
        hit = scene.hit(next(order for order in scene.matching.open_orders(scene.wallet) if order.id in late), part=0.5)
        await scene.until(lambda: not late_ones(scene), 12)
        assert hit.id in late
        await scene.until(lambda: scene.facts(ExternalFilled), 2)
        assert [fill.size for fill in scene.engine.state.portfolio.fills.values() if fill.order < 0] == [5 * SHARE]


@timeless
async def test_F66_an_order_that_no_run_wrote_down_is_left_alone() -> None:
    async with playing() as scene:
        signed = await killed(scene)
        await started(scene, signed)
        scene.by_hand(price=0.2, shares=10)
        await scene.until(lambda: scene.market.external, 5)
        await scene.seconds(15)
        assert [order.venue_id for order in scene.market.external] == [
            order.id for order in scene.matching.open_orders(scene.wallet) if order.id not in scene.checks.ids
        ]


@timeless
async def test_F66_an_order_in_a_market_that_the_desk_does_not_list_counts_is_shown_and_told() -> None:
    async with playing() as scene:
        elsewhere = twin(MARKET, "not-listed")
        scene.matching.list_market(elsewhere, clock())
        ours, began = scene.resting()[0], clock()
        other = Order(
            "0x" + "ee" * 32, scene.wallet, ours.owner, elsewhere.id, elsewhere.yes, Side.BUY, Price(5_000), Size(100 * SHARE), Lasts.GTC,
            False, clock(),
        )  # fmt: skip
        scene.checks.foreign.add(other.id)
        scene.matching.place(other, clock())
        scene.sockets.pump()
        await scene.until(lambda: [alert for alert in scene.said(Alert, began) if alert.key == "external"], 5)
        state = scene.engine.state
        assert scene.noted("which the desk does not list ($50)") and 50 * DOLLAR <= state.reserved <= 60 * DOLLAR
        assert [row.status for row in scene.engine.snapshot().orders].count("EXTERNAL") == 1
        await scene.seconds(5)
        assert other.status == "LIVE", "it is not the desk's to cancel"
        scene.matching.cancel([other.id], scene.wallet, clock())
        scene.sockets.pump()
        await scene.until(lambda: not state.unlisted, 5)
        assert state.reserved < 20 * DOLLAR
