"""The production venue at its start, and its orders against what goes wrong on their way."""

import asyncio
from itertools import pairwise

import pytest

from pmm_tui.core.commands import Cancel, Sync
from pmm_tui.core.events import (
    AccountOpened,
    AccountSeen,
    BookReset,
    ExternalFilled,
    FillSettled,
    LinkDown,
    LinkUp,
    MarketListed,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    OrderSigned,
    OrderUncertain,
    PositionFound,
    TickSizeChanged,
)
from pmm_tui.core.market import Kind
from pmm_tui.core.units import DOLLAR, SHARE, Price
from pmm_tui.venues.clob.port import Closed, Limited, Refused, Silent, Unauthorized
from tests.venues.clob_stand import Stand, ends, opened, order, placed, timeless
from tests.venues.scripted_clob import HANG, MARKET, START, ScriptedClob, Truth
from tests.venues.venue_suite import of


class TestOpening:
    @timeless
    async def test_the_links_come_up_one_by_one_and_the_account_is_told(self) -> None:
        stand = Stand(ScriptedClob(cash_held=40 * DOLLAR), capital=25)
        stand.clob.held[MARKET.no] = 7 * SHARE
        await stand.listed(
            MarketListed(START, MARKET), BookReset(START, MARKET.id, START, ((Price(4_000), SHARE),), ((Price(4_200), SHARE),))
        )
        told = await stand.after(3)
        assert {e.link for e in of(told, LinkDown)} == {"account", "user", "heartbeat"}
        assert next(e.link for e in of(told, LinkUp)) == "account"
        assert sorted(e.link for e in of(told, LinkUp)) == ["account", "heartbeat", "user"]
        assert [e.cash for e in of(told, AccountOpened)] == [25 * DOLLAR]
        assert [(e.token, e.size, e.price) for e in of(told, PositionFound)] == [(MARKET.no, 7 * SHARE, 5_900)]
        assert all(e.cash == 25 * DOLLAR and e.positions == ((MARKET.no, 7 * SHARE),) for e in of(told, AccountSeen))
        assert stand.clob.calls[0][0] == "cancel_all" and stand.venue.links.why() == ""
        await stand.close()
        assert stand.clob.closed

    @timeless
    async def test_no_order_leaves_before_it_is_open(self) -> None:
        stand = Stand(ScriptedClob(latency_s=1))
        await stand.listed(MarketListed(START, MARKET))
        await asyncio.sleep(0)
        await stand.venue.send(order(1))
        assert [(e.order, e.code) for e in of(await stand.after(0.5), OrderRejected)] == [(1, "closed")]
        await stand.after(20)
        await stand.venue.send(order(2))
        assert [e.order for e in of(await stand.after(3), OrderAccepted)] == [2]
        assert len(stand.clob.asked("post")) == 1
        await stand.close()

    @timeless
    async def test_F59_orders_and_trades_of_an_earlier_run_are_cleared_and_never_told(self) -> None:
        clob = ScriptedClob()
        clob.orders["0xold"] = Truth(order(77))
        piece = clob.fill(77, 3)
        stand = Stand(clob)
        await stand.listed(MarketListed(START, MARKET))
        told = await stand.after(5)
        assert clob.orders["0xold"].status == "CANCELED" and not of(told, AccountOpened)
        clob.settle(piece, "CONFIRMED")
        told += await stand.after(5)
        assert [e.cash for e in of(told, AccountOpened)] == [500 * DOLLAR - 1_470_000]
        assert not of(told, OrderFilled) and not of(told, ExternalFilled) and not of(told, FillSettled)
        assert [e.size for e in of(told, PositionFound)] == [3 * SHARE]
        await stand.close()

    @timeless
    async def test_a_venue_that_does_not_answer_at_first_is_asked_again(self) -> None:
        clob = ScriptedClob()
        clob.fails("cancel_all", Silent("HTTP 500"), Closed("disabled", "disabled", 1))
        clob.fails("open_orders", HANG)
        clob.fails("cash", Silent("x"))
        clob.fails("shares", Silent("x"))
        stand = Stand(clob)
        await stand.listed(MarketListed(START, MARKET))
        told = await stand.after(30)
        assert len(of(told, AccountOpened)) == 1 and stand.venue.links.why() == ""
        await stand.close()

    @timeless
    async def test_a_market_listed_later_waits_for_its_shares(self) -> None:
        clob = ScriptedClob(latency_s=0.2)
        clob.held[MARKET.yes] = 4 * SHARE
        stand = Stand(clob)
        await stand.after(5)
        await stand.listed(MarketListed(START, MARKET))
        await stand.venue.send(order(1))
        told = [e for e in await stand.after(1) if isinstance(e, PositionFound | OrderAccepted)]
        assert [type(e) for e in told] == [PositionFound, OrderAccepted]
        await stand.close()


class TestOrders:
    @timeless
    async def test_a_flush_has_cancels_and_orders_on_their_way_before_anything_else_is_done(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.calls.clear()
        others: list[str] = []
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(others.append, "another turn of the loop"))
        await stand.venue.send(order(2))
        await stand.venue.send(Cancel(1))
        await stand.venue.flush()
        assert [call[0] for call in stand.clob.calls] == ["cancel", "post"] and not others
        await stand.close()

    @timeless
    async def test_an_order_is_signed_once_and_its_id_known_before_it_leaves(self) -> None:
        stand = await opened(Stand())
        facts = stand.venue.prepare([order(1), Cancel(9), order(2, price=4_950)])
        assert [(e.order, e.venue_id[:2]) for e in of(facts, OrderSigned)] == [(1, "0x")]
        assert not stand.clob.asked("post") and stand.venue.prepare([order(1)]) == []
        await stand.venue.send(order(1))
        (accepted,) = of(await stand.after(1), OrderAccepted)
        assert accepted.venue_id == of(facts, OrderSigned)[0].venue_id
        await stand.close()

    @timeless
    async def test_orders_of_one_turn_leave_together_fifteen_at_most(self) -> None:
        stand = await opened(Stand())
        for number in range(1, 21):
            await stand.venue.send(order(number, 4_900 - 100 * number, 5))
        assert len(of(await stand.after(1), OrderAccepted)) == 20
        assert [len(batch) for batch in stand.clob.asked("post")] == [15, 5]
        await stand.close()

    @timeless
    async def test_F27_the_same_command_twice_is_one_order(self) -> None:
        stand = await opened(Stand())
        for _ in range(3):
            await stand.venue.send(order(1))
        await stand.after(1)
        await stand.venue.send(order(1))
        await stand.after(1)
        assert len(stand.clob.asked("post")) == 1
        await stand.close()

    @timeless
    async def test_a_market_that_is_not_known_takes_no_order(self) -> None:
        stand = Stand()
        await stand.after(3)
        assert stand.venue.prepare([order(1)]) == []
        await stand.venue.send(order(1))
        assert [(e.order, e.code) for e in of(await stand.after(1), OrderRejected)] == [(1, "closed")]
        await stand.close()

    @timeless
    async def test_F74_orders_are_signed_on_the_new_grid(self) -> None:
        stand = await opened(Stand())
        await stand.listed(TickSizeChanged(START, MARKET.id, START, Price(10)))
        await stand.venue.send(order(1, 4_910))
        assert of(await stand.after(1), OrderAccepted)
        await stand.listed(BookReset(START, MARKET.id, START, (), (), tick=Price(100)))
        await stand.venue.send(order(2, 4_810))
        assert [e.code for e in of(await stand.after(1), OrderRejected)] == ["tick"]
        await stand.close()

    @timeless
    @pytest.mark.parametrize("how", [HANG, Silent("HTTP 500: could not run the execution"), Silent("reset")])
    @pytest.mark.parametrize("mute", [False, True])
    async def test_F21_F22_booked_but_not_answered(self, how: Silent | str, mute: bool) -> None:
        """Uncertain at the most, never asked twice, and found: by the user channel, or by a reading."""
        stand = await opened(Stand())
        stand.clob.fails("post", how, done=True)
        stand.clob.mute = mute
        await stand.venue.send(order(1))
        told = await stand.after(8)
        assert [e.order for e in of(told, OrderAccepted)] == [1]
        assert len(of(told, OrderUncertain)) == mute
        assert len(stand.clob.asked("post")) == 1 and not of(told, OrderRejected)
        await stand.close()

    @timeless
    async def test_F22_never_booked_and_not_answered_is_proven_absent(self) -> None:
        """Ten seconds after it was given up, a cancel by its id that finds nothing, and two readings: no sooner."""
        stand = await opened(Stand())
        stand.clob.fails("post", Silent("HTTP 500"))
        await stand.venue.send(order(1))
        told = await stand.after(0.5)
        assert [e.order for e in of(told, OrderUncertain)] == [1]
        await stand.venue.send(Sync((1,)))
        early = await stand.after(9)
        assert of(early, AccountSeen)[-1].orders == () and not ends(early)
        assert not stand.clob.asked("cancel")
        late = await stand.after(5)
        assert ends(late) == [(1, 0)] and len(stand.clob.asked("cancel")) == 1
        await stand.venue.send(Sync((1,)))
        assert [(o.order, o.status) for o in of(await stand.after(2), AccountSeen)[-1].orders] == [(1, "absent")]
        await stand.close()

    @timeless
    async def test_F29_a_fill_before_the_answer(self) -> None:
        stand = await opened(Stand())
        stand.clob.latency_s = 2
        await stand.venue.send(order(1))
        await stand.after(1.5)
        stand.clob.fill(1, 10)
        assert [e.order for e in of(await stand.after(0.1), OrderFilled)] == [1]
        told = await stand.after(5)
        assert not of(told, OrderRejected) and not of(told, OrderFilled) and not of(told, OrderUncertain)
        await stand.close()

    @timeless
    async def test_F34_each_order_of_a_batch_has_its_own_outcome(self) -> None:
        stand = await opened(Stand())
        for one in (order(1), order(2, 5_300), order(3, shares=3), order(4, 100, 9_000_000), order(5, 4_700)):
            await stand.venue.send(one)
        told = await stand.after(1)
        assert [e.order for e in of(told, OrderAccepted)] == [1, 5]
        assert [(e.order, e.code) for e in of(told, OrderRejected)] == [(2, "post_only"), (3, "size"), (4, "balance")]
        assert len(stand.clob.asked("post")) == 1
        await stand.close()

    @timeless
    async def test_F34_an_answer_of_the_wrong_length_proves_nothing(self) -> None:
        stand = await opened(Stand())
        stand.clob.mute = True
        book = stand.clob._book
        stand.clob.post = lambda orders: stand.clob._call("post", orders, lambda: [book(one) for one in orders][:1])  # type: ignore[method-assign]  # this venue errs on purpose
        await stand.venue.send(order(1))
        await stand.venue.send(order(2, 4_800))
        told = await stand.after(4)
        assert [e.order for e in of(told, OrderUncertain)] == [1, 2] and sorted(e.order for e in of(told, OrderAccepted)) == [1, 2]
        await stand.close()

    @timeless
    async def test_F35_a_refusal_of_a_single_order_says_why(self) -> None:
        stand = await opened(Stand())
        for number, (text, code) in enumerate(
            [
                ("invalid post-only order: order crosses book", "post_only"),
                ("not enough balance / allowance: the balance is not enough", "balance"),
                ("order 0x1 is invalid. Price (0.495) breaks minimum tick size rule: 0.01", "tick"),
                ("order 0x1 is invalid. Size (3) lower than the minimum: 5", "size"),
                ("'0x1' address in closed only mode", "closed"),
                ("invalid expiration", "other"),
            ],
            start=1,
        ):
            stand.clob.fails("post", Refused(text, 400))
            await stand.venue.send(order(number))
            assert [(e.order, e.code, e.reason) for e in of(await stand.after(0.2), OrderRejected)] == [(number, code, text)]
        await stand.venue.send(Sync(()))
        await stand.after(1)
        assert None in stand.clob.asked("refresh")
        await stand.close()

    @timeless
    async def test_a_duplicate_is_booked(self) -> None:
        stand = await opened(Stand())
        stand.clob.mute = True
        stand.clob.fails("post", Refused("order 0x1 is invalid. Duplicated.", 400), done=True)
        await stand.venue.send(order(1))
        told = await stand.after(1)
        assert [e.order for e in of(told, OrderAccepted)] == [1] and not of(told, OrderRejected)
        stand.clob.fails("post", Refused("order 0x2 is invalid. Duplicated.", 400))
        await stand.venue.send(order(2))
        assert [e.order for e in of(await stand.after(1), OrderUncertain)] == [2]
        await stand.close()

    @timeless
    async def test_what_an_immediate_order_leaves_is_over(self) -> None:
        stand = await opened(Stand())
        await stand.venue.send(order(1, 5_200, 150, kind=Kind.IOC))
        told = await stand.after(1)
        assert [(e.size, e.price, e.maker) for e in of(told, OrderFilled)] == [(100 * SHARE, 5_200, False)]
        assert of(told, OrderFilled)[0].fee == 1_747_200
        assert ends(told) == [(1, 100 * SHARE)]
        await stand.close()


class TestTrouble:
    @timeless
    async def test_F23_a_restart_shuts_the_door_until_it_is_over(self) -> None:
        stand = await opened(Stand())
        stand.clob.fails("post", Closed("restarting", "restarting", 5))
        await stand.venue.send(order(1))
        told = await stand.after(0.3)
        assert [(e.order, e.code) for e in of(told, OrderRejected)] == [(1, "closed")]
        assert [(e.link, e.reason) for e in of(told, LinkDown)] == [("venue", "restarting")]
        await stand.venue.send(order(2))
        assert [e.code for e in of(await stand.after(0.3), OrderRejected)] == ["closed"]
        assert len(stand.clob.asked("post")) == 1
        told = await stand.after(6)
        assert [type(e) for e in told if isinstance(e, AccountSeen | LinkUp)] == [AccountSeen, LinkUp]
        await stand.venue.send(order(3))
        assert of(await stand.after(0.3), OrderAccepted)
        await stand.close()

    @timeless
    async def test_F23_the_wait_grows_while_it_stays_shut(self) -> None:
        stand = await opened(Stand())
        stand.clob.fails("post", *[Closed("restarting", "restarting", 0)] * 6)
        for number in range(1, 60):
            await stand.venue.send(order(number))
            await stand.after(1)
        at = [at / 1e9 for name, _, at in stand.clob.calls if name == "post"]
        gaps = [later - before for before, later in pairwise(at[:7])]
        assert gaps == sorted(gaps) and gaps[0] < 3 and gaps[-1] > 15
        await stand.close()

    @timeless
    async def test_F23_post_only_mode_still_takes_a_maker(self) -> None:
        stand = await opened(Stand())
        stand.clob.fails("post", Closed("post-only mode", "post_only", 79))
        await stand.venue.send(order(1, 5_200, kind=Kind.IOC))
        told = await stand.after(0.3)
        assert [e.code for e in of(told, OrderRejected)] == ["closed"] and not of(told, LinkDown)
        await stand.venue.send(order(2, kind=Kind.IOC))
        await stand.venue.send(order(3))
        told = await stand.after(0.3)
        assert [e.order for e in of(told, OrderRejected)] == [2] and [e.order for e in of(told, OrderAccepted)] == [3]
        await stand.after(80)
        await stand.venue.send(order(4, kind=Kind.GTC, price=4_700))
        assert of(await stand.after(0.3), OrderAccepted)
        await stand.close()

    @timeless
    async def test_F24_a_429_holds_the_orders_and_halves_the_rate(self) -> None:
        stand = await opened(Stand())
        stand.clob.fails("post", Limited("Too Many Requests", 4))
        await stand.venue.send(order(1))
        told = await stand.after(0.3)
        assert [e.code for e in of(told, OrderRejected)] == ["limit"]
        assert [(e.link, e.reason) for e in of(told, LinkDown)] == [("venue", "limited")]
        assert stand.venue.limits.orders.rate == 20
        await stand.venue.send(Cancel(1))
        told = await stand.after(5)
        assert [e.link for e in of(told, LinkUp)] == ["venue"]
        await stand.close()

    @timeless
    async def test_F24_a_flood_waits_for_the_bucket_and_what_waits_too_long_is_refused(self) -> None:
        stand = await opened(Stand(clob_orders_per_s=10, clob_orders_burst=15, clob_order_wait_s=2))
        for number in range(1, 101):
            await stand.venue.send(order(number, 100, 5))
        told = await stand.after(5)
        taken, late = of(told, OrderAccepted), of(told, OrderRejected)
        assert 15 <= len(taken) <= 45 and len(taken) + len(late) == 100 and {e.code for e in late} == {"limit"}
        await stand.close()

    @timeless
    async def test_F25_disabled_trading_stops_the_heartbeat_too(self) -> None:
        stand = await opened(Stand())
        stand.clob.fails("post", Closed("Trading is currently disabled", "disabled", 30))
        await stand.venue.send(order(1))
        told = await stand.after(20)
        assert {e.link for e in of(told, LinkDown)} == {"venue", "heartbeat"}
        told = await stand.after(30)
        assert sorted(e.link for e in of(told, LinkUp)) == ["heartbeat", "venue"] and stand.venue.links.why() == ""
        await stand.close()

    @timeless
    async def test_F83_a_refused_key_is_final(self) -> None:
        stand = await opened(Stand())
        stand.clob.fails("post", Unauthorized("Invalid api key"))
        await stand.venue.send(order(1))
        told = await stand.after(60)
        assert [(e.link, e.reason) for e in of(told, LinkDown)] == [("venue", "key refused")]
        await stand.venue.send(order(2))
        assert of(await stand.after(1), OrderRejected) and len(stand.clob.asked("post")) == 1
        await stand.close()
