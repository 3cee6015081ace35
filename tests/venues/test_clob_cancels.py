"""Cancels of the production venue: one, many, all, and every way in which they fail."""

import pytest

from pmm_tui.core.commands import Cancel, CancelAll
from pmm_tui.core.events import (
    AccountSeen,
    OrderCancelled,
    OrderFilled,
    OrderUncertain,
)
from pmm_tui.core.units import SHARE
from pmm_tui.venues.clob.port import Closed, Limited, Silent
from tests.venues.clob_stand import Stand, ends, opened, order, placed, timeless
from tests.venues.scripted_clob import HANG, START
from tests.venues.venue_suite import of


class TestCancels:
    @timeless
    async def test_an_order_that_never_left_is_withdrawn(self) -> None:
        stand = await opened(Stand())
        await stand.venue.send(order(1))
        await stand.venue.send(Cancel(1))
        assert ends(await stand.after(1)) == [(1, 0)]
        assert not stand.clob.asked("post") and not stand.clob.asked("cancel")
        await stand.close()

    @timeless
    async def test_cancels_leave_before_orders(self) -> None:
        stand = await placed(Stand(), 1)
        before = len(stand.clob.calls)
        await stand.venue.send(order(2, 4_700))
        await stand.venue.send(Cancel(1))
        await stand.after(1)
        assert [name for name, *_ in stand.clob.calls[before:]][:2] == ["cancel", "post"]
        await stand.close()

    @timeless
    @pytest.mark.parametrize("latency_s", [0.6, 3.0])
    async def test_F30_a_cancel_waits_a_second_for_the_answer_and_then_goes_by_the_id(self, latency_s: float) -> None:
        stand = await opened(Stand())
        stand.clob.latency_s, began = latency_s, START
        await stand.venue.send(order(1))
        await stand.after(0.1)
        await stand.venue.send(Cancel(1))
        told = await stand.after(15)
        assert ends(told) == [(1, 0)] and not of(told, OrderUncertain)
        posted = next(at for name, _, at in stand.clob.calls if name == "post")
        asked = next(at for name, _, at in stand.clob.calls if name == "cancel")
        assert began < posted and asked - posted == pytest.approx(min(latency_s / 2, 1.1) * 1e9, rel=0.05)
        await stand.close()

    @timeless
    @pytest.mark.parametrize("done", [False, True])
    async def test_F31_a_cancel_that_is_not_answered_is_asked_until_it_is(self, done: bool) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.mute = True
        stand.clob.fails("cancel", HANG, Silent("HTTP 500"), done=done)
        await stand.venue.send(Cancel(1))
        told = await stand.after(15)
        assert ends(told) == [(1, 0)] and stand.clob._live() == []
        await stand.close()

    @timeless
    async def test_F31_then_by_market_and_at_last_all(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.fails("cancel", *[Silent("x")] * 50)
        stand.clob.fails("cancel_market", *[Silent("x")] * 3)
        await stand.venue.send(Cancel(1))
        told = await stand.after(60)
        assert ends(told) == [(1, 0)]
        assert len(stand.clob.asked("cancel")) == 3 and len(stand.clob.asked("cancel_market")) >= 3
        assert len(stand.clob.asked("cancel_all")) == 2  # the first opened the run
        await stand.close()

    @timeless
    @pytest.mark.parametrize("blind", [False, True])
    @pytest.mark.parametrize("heard", [False, True])
    async def test_F32_not_found_is_answered_by_the_trades(self, blind: bool, heard: bool) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.blind = blind
        stand.clob.fill(1, 10, heard=heard)
        await stand.venue.send(Cancel(1))
        told = await stand.after(2.5)
        assert sum(e.size for e in of(told, OrderFilled)) == 10 * SHARE
        assert ends(told) == [(1, 10 * SHARE)]
        await stand.close()

    @timeless
    async def test_F32_not_found_and_no_trade_waits_for_two_readings(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.mute, stand.clob.blind = True, True
        stand.clob.orders[stand.clob.id_of(1)].status = "CANCELED"
        await stand.venue.send(Cancel(1))
        assert ends(await stand.after(0.9)) == []
        assert ends(await stand.after(4)) == [(1, 0)]
        await stand.close()

    @timeless
    async def test_F33_a_fill_that_races_the_cancel_is_told_before_its_end(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.fill(1, 4, heard=False)
        stand.clob.mute = True
        await stand.venue.send(Cancel(1))
        told = [e for e in await stand.after(1) if isinstance(e, OrderFilled | OrderCancelled)]
        assert [type(e) for e in told] == [OrderFilled, OrderCancelled] and ends(told) == [(1, 4 * SHARE)]
        await stand.close()

    @timeless
    async def test_F33_a_late_fill_is_told_after_the_end(self) -> None:
        stand = await placed(Stand(), 1)
        await stand.venue.send(Cancel(1))
        assert ends(await stand.after(1)) == [(1, 0)]
        stand.clob.fill(1, 4)
        assert [e.size for e in of(await stand.after(0.1), OrderFilled)] == [4 * SHARE]
        await stand.close()

    @timeless
    async def test_the_end_is_told_once_and_again_where_it_is_asked_for_again(self) -> None:
        stand = await placed(Stand(), 1)
        await stand.venue.send(Cancel(1))
        await stand.venue.send(Cancel(1))
        assert ends(await stand.after(1)) == [(1, 0)]
        await stand.venue.send(Cancel(1))
        await stand.venue.send(Cancel(99))
        assert ends(await stand.after(1)) == [(1, 0)]
        await stand.close()

    @pytest.mark.fault("F84")
    @timeless
    async def test_a_kill_gets_through_whatever_fails(self) -> None:
        stand = await placed(Stand(), 1, 2)
        stand.clob.fails("cancel_all", Silent("x"), HANG, Closed("disabled", "disabled", 60))
        stand.clob.fails("cancel", Limited("Too Many Requests", 1), Silent("x"))
        stand.clob.fails("cancel_market", Silent("x"), Silent("x"))
        await stand.venue.send(order(3, 4_700))
        await stand.venue.send(CancelAll())
        told = await stand.after(60)
        assert sorted(number for number, _ in ends(told)) == [1, 2, 3] and stand.clob._live() == []
        assert of(told, AccountSeen)
        await stand.close()

    @timeless
    async def test_F25_a_kill_goes_on_at_its_pace_while_nothing_is_taken(self) -> None:
        stand = await placed(Stand(), 1)
        for method in ("cancel_all", "cancel", "cancel_market"):
            stand.clob.fails(method, *[Closed("Trading is currently disabled", "disabled", 60)] * 4)
        await stand.venue.send(CancelAll())
        told = await stand.after(90)
        assert ends(told) == [(1, 0)] and not stand.clob._live()
        await stand.close()

    @timeless
    async def test_a_kill_catches_an_order_that_is_on_its_way(self) -> None:
        stand = await opened(Stand())
        stand.clob.latency_s = 0.5
        await stand.venue.send(order(1))
        await stand.after(0.05)
        await stand.venue.send(CancelAll())
        told = await stand.after(10)
        assert ends(told) == [(1, 0)] and not stand.clob._live()
        await stand.close()

    @timeless
    async def test_one_cancel_of_an_order_is_under_way_at_a_time(self) -> None:
        stand = await placed(Stand(), 1)
        stand.clob.fails("cancel", HANG)
        for _ in range(6):
            await stand.venue.send(Cancel(1))
            await stand.after(0.4)
        assert len(stand.clob.asked("cancel")) == 1
        assert ends(await stand.after(5)) == [(1, 0)] and len(stand.clob.asked("cancel")) == 2
        await stand.close()

    @timeless
    async def test_an_order_that_was_believed_over_and_is_not_is_cancelled(self) -> None:
        stand = await placed(Stand(), 1)
        await stand.venue.send(Cancel(1))
        assert ends(await stand.after(1)) == [(1, 0)]
        stand.clob.orders[stand.clob.id_of(1)].status = "LIVE"
        told = await stand.after(15)
        assert ends(told) == [(1, 0)] and stand.clob._live() == []
        await stand.close()

    @timeless
    async def test_a_cancel_all_is_sent_before_the_venue_closes(self) -> None:
        stand = await placed(Stand(), 1, 2)
        await stand.venue.send(CancelAll())
        await stand.close()
        assert stand.clob._live() == [] and stand.clob.closed
