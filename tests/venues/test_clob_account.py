"""What the production venue tells of trades, the account and its links, when they fail and when they lie."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from pmm_tui.core.commands import Merge, Sync
from pmm_tui.core.events import (
    AccountSeen,
    ClockSeen,
    ExternalFilled,
    FillSettled,
    LinkDown,
    LinkUp,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    PairsMerged,
)
from pmm_tui.core.units import SHARE, Nanos, Size
from pmm_tui.venues.clob.port import Silent, Unauthorized
from tests.venues.clob_stand import Stand, ends, opened, order, placed, timeless
from tests.venues.scripted_clob import HANG, MARKET, Truth
from tests.venues.venue_suite import of


class TestTrades:
    @timeless
    async def test_F45_matched_then_failed(self) -> None:
        stand = await placed(Stand(), 1)
        piece = stand.clob.fill(1, 10)
        for status in ("MINED", "RETRYING", "FAILED", "FAILED"):
            stand.clob.settle(piece, status)
        told = await stand.after(1)
        assert len(of(told, OrderFilled)) == 1
        assert [(e.trade, e.order, e.ok) for e in of(told, FillSettled)] == [(piece.trade, 1, False)]
        await stand.close()

    @timeless
    async def test_F47_every_piece_is_told_once_whoever_tells_it(self) -> None:
        stand = await placed(Stand(), 1)
        piece = stand.clob.fill(1, 4)
        for _ in range(3):
            stand.clob.tell_trade(piece)
        stand.clob.settle(piece, "CONFIRMED")
        stand.clob.settle(stand.clob.told[0], "CONFIRMED", heard=False)
        told = await stand.after(12)
        assert len(of(told, OrderFilled)) == 1 and [e.ok for e in of(told, FillSettled)] == [True]
        await stand.venue.send(Sync((1,)))
        told = await stand.after(1)
        assert [type(e) for e in told if not isinstance(e, ClockSeen)] == [OrderFilled, FillSettled, AccountSeen]
        await stand.close()

    @timeless
    async def test_F50_a_maker_fill_is_told_in_its_own_terms_whatever_the_taker_took(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.fill(1, 4)
        (filled,) = of(await stand.after(0.1), OrderFilled)
        assert (filled.price, filled.size, filled.maker, filled.fee) == (4_900, 4 * SHARE, True, 0)
        await stand.close()

    @timeless
    async def test_F48_F56_what_is_not_the_desks_is_external(self) -> None:
        stand = await opened(Stand())
        stand.clob.orders["0xhand"] = Truth(order(50, 4_000))
        stand.clob.tell_order("0xhand", "PLACEMENT")
        told = await stand.after(1)
        (external,) = of(told, AccountSeen)[-1].external
        assert (external.venue_id, external.rest, external.price, external.order) == ("0xhand", 10 * SHARE, 4_000, -1)
        piece = stand.clob.fill(50, 4)
        told = await stand.after(1)
        (filled,) = of(told, ExternalFilled)
        assert (filled.order, filled.trade, filled.size, filled.token) == (-1, piece.trade, 4 * SHARE, MARKET.yes)
        stand.clob.settle(piece, "CONFIRMED")
        await stand.venue.send(Sync(()))
        told = await stand.after(1)
        assert [(e.order, e.ok) for e in of(told, FillSettled)] == [(-1, True)]
        assert of(told, AccountSeen)[-1].positions == ((MARKET.yes, 4 * SHARE),)
        assert of(told, AccountSeen)[-1].external[0].rest == 6 * SHARE
        await stand.close()

    @timeless
    async def test_F49_dust_does_not_keep_an_order_alive(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.fill(1, 9.995)
        stand.clob.orders[stand.clob.id_of(1)].status = "MATCHED"
        await stand.after(1)
        await stand.venue.send(Sync((1,)))
        seen = of(await stand.after(1), AccountSeen)[-1]
        assert [(o.status, o.matched) for o in seen.orders] == [("done", 9_995_000)]
        await stand.close()


class TestAccount:
    @pytest.mark.fault("F55")
    @timeless
    async def test_a_failed_reading_is_no_empty_account(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.fails("open_orders", Silent("HTTP 502"), HANG)
        await stand.venue.send(Sync((1,)))
        told = await stand.after(1)
        assert not of(told, AccountSeen) and not of(told, LinkDown)
        await stand.venue.send(Sync((1,)))
        told = await stand.after(6)
        assert not of(told, AccountSeen) and [e.link for e in of(told, LinkDown)] == ["account"]
        await stand.venue.send(Sync((1,)))
        told = await stand.after(1)
        assert [e.link for e in of(told, LinkUp)] == ["account"] and of(told, AccountSeen)[0].orders[0].status == "open"
        await stand.close()

    @timeless
    async def test_no_orders_are_believed_only_when_read_twice(self) -> None:
        stand = await placed(Stand(), 1)
        read = stand.clob.open_orders
        empty = [True]

        async def once_empty() -> object:
            return [] if empty.pop() else await read()

        empty[:] = [False, True]
        stand.clob.open_orders = once_empty  # type: ignore[method-assign,assignment]  # this venue errs on purpose
        await stand.venue.send(Sync((1,)))
        assert [o.status for o in of(await stand.after(1), AccountSeen)[0].orders] == ["open"]
        await stand.close()

    @timeless
    async def test_questions_under_way_together_are_one_reading(self) -> None:
        stand = await placed(Stand(), 1, 2)
        before = len(stand.clob.asked("cash"))
        for numbers in ((1,), (2,), (1, 2), ()):
            await stand.venue.send(Sync(numbers))
            await asyncio.sleep(0)
        told = await stand.after(2)
        assert len(of(told, AccountSeen)) == len(stand.clob.asked("cash")) - before == 2
        assert {o.order for seen in of(told, AccountSeen) for o in seen.orders} == {1, 2}
        await stand.close()

    @timeless
    async def test_an_order_that_was_cancelled_by_the_venue_is_done(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.fill(1, 3, heard=False)
        stand.clob.orders[stand.clob.id_of(1)].status = "CANCELED_NOT_ENOUGH_BALANCE"
        await stand.venue.send(Sync((1,)))
        told = await stand.after(1)
        assert sum(e.size for e in of(told, OrderFilled)[:1]) == 3 * SHARE
        assert of(told, OrderCancelled)[0].reason == "canceled not enough balance"
        assert [(o.status, o.matched) for o in of(told, AccountSeen)[0].orders] == [("done", 3 * SHARE)]
        await stand.close()

    @timeless
    async def test_a_status_that_nobody_knows_proves_nothing(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.orders[stand.clob.id_of(1)].status = "PONDERED"
        await stand.venue.send(Sync((1,)))
        told = await stand.after(5)
        assert of(told, AccountSeen)[0].orders == () and not ends(told)
        await stand.close()

    @timeless
    async def test_a_settled_trade_has_the_cached_balances_renewed(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.settle(stand.clob.fill(1, 10), "CONFIRMED")
        await stand.after(0.5)
        await stand.venue.send(Sync((1,)))
        await stand.after(1)
        assert sorted(stand.clob.asked("refresh"), key=str) == [MARKET.yes, None]
        await stand.close()


class TestLinks:
    @timeless
    async def test_F37_no_order_leaves_once_the_heartbeat_tripped(self) -> None:
        stand = await opened(Stand())
        stand.clob.fails("beat", *[Unauthorized("no")] * 12)
        told = await stand.after(14)
        downs = [e for e in of(told, LinkDown) if e.link == "heartbeat"]
        assert len(downs) == 1
        before = len(stand.clob.asked("post"))
        await stand.venue.send(order(1))
        told = await stand.after(0.5)
        assert [e.code for e in of(told, OrderRejected)] == ["closed"] and len(stand.clob.asked("post")) == before
        told = await stand.after(20)
        assert [type(e) for e in told if isinstance(e, AccountSeen | LinkUp)] == [AccountSeen, LinkUp]
        await stand.close()

    @timeless
    async def test_F37_a_dead_desk_feeds_no_heartbeat(self) -> None:
        dead: list[bool] = []
        stand = await opened(Stand(alive=lambda: not dead))
        dead.append(True)
        assert [e.link for e in of(await stand.after(14), LinkDown)] == ["heartbeat"]
        await stand.close()

    @timeless
    async def test_F52_a_mute_user_channel_is_found_out_and_replaced(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.mute = True
        stand.clob.fill(1, 4)
        told = await stand.after(14)
        assert len(of(told, OrderFilled)) == 1 or len({e.trade for e in of(told, OrderFilled)}) == 1
        assert [(e.link, e.reason[:5]) for e in of(told, LinkDown)] == [("user", "stale")]
        assert [e.link for e in of(told, LinkUp)] == ["user"] and len(stand.clob.sockets) == 2 and stand.clob.sockets[0].closed
        assert not of(await stand.after(30), LinkDown)
        await stand.close()

    @timeless
    async def test_F53_a_new_socket_is_live_only_after_a_full_reading(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.mute = True
        stand.clob.fill(1, 4)
        stand.clob.sockets[0].waiting.put_nowait(ConnectionClosedError(Close(1006, ""), None))
        told = await stand.after(0.2)
        assert [e.link for e in of(told, LinkDown)] == ["user"]
        told += await stand.after(3)
        kinds = [type(e) for e in told if isinstance(e, LinkDown | OrderFilled | AccountSeen | LinkUp)]
        assert kinds[0] is LinkDown and kinds[-1] is LinkUp and kinds.index(OrderFilled) < kinds.index(AccountSeen) < kinds.index(LinkUp)
        await stand.close()

    @timeless
    async def test_merge_without_a_chain_says_so(self) -> None:
        stand = await opened(Stand())
        await stand.venue.send(Merge(MARKET.id, Size(SHARE)))
        assert [(e.market, e.size, e.reason) for e in of(await stand.after(1), PairsMerged)] == [(MARKET.id, 0, "no chain to merge on")]
        await stand.close()

    @timeless
    async def test_a_broken_task_ends_the_venue(self) -> None:
        stand = await opened(Stand())

        def broken() -> object:
            raise LookupError("a bug")

        stand.clob.open_orders = broken  # type: ignore[method-assign,assignment]  # this venue errs on purpose
        await stand.venue.send(Sync(()))
        with pytest.raises(LookupError, match="a bug"):
            await stand.after(1)
        await stand.venue.close()

    @pytest.mark.fault("F16")
    @timeless
    async def test_a_queue_that_nobody_reads_ends_the_venue_and_drops_nothing(self) -> None:
        stand = await opened(Stand(clob_queue_max=16))
        for _ in range(40):
            stand.venue._tell([LinkUp(Nanos(0), "x")] * 10) if stand.venue._out.empty() else None
            await asyncio.sleep(0)
        with pytest.raises(asyncio.QueueFull):
            stand.venue._tell([LinkUp(Nanos(0), "x")] * 17)
        await stand.close()
