"""What every venue owes a desk, whatever it is made of: one suite, a subclass for each venue."""

from abc import ABC, abstractmethod
from typing import Protocol, TypeVar

from pmm_tui.core.commands import Cancel, CancelAll, Place, Sync
from pmm_tui.core.events import AccountSeen, ClockSeen, Event, OrderAccepted, OrderCancelled, OrderFilled, OrderRejected
from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.units import SHARE, Cash, Price, Size
from pmm_tui.venues.base import Venue

Fact = TypeVar("Fact", bound=Event)


class Stage(Protocol):
    """A venue with one market, and a hand on what the others in that market do. Prices are in YES terms, sizes in whole shares."""

    market: Market

    @property
    def venue(self) -> Venue:
        """The venue under test."""
        ...

    async def show(self, bid: int, ask: int) -> None:
        """The others show one level a side, 100 shares each, and nothing else."""
        ...

    async def sell_into(self, price: int, shares: int) -> None:
        """Somebody sells this much down to this price, where our bid is the best."""
        ...

    async def settled(self) -> list[Event]:
        """Everything that the venue told since the last call, once nothing is under way any more."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


def of(events: list[Event], kind: type[Fact]) -> list[Fact]:
    """The events of one type."""
    return [event for event in events if isinstance(event, kind)]


class VenueSuite(ABC):
    """Subclass it, name it Test…, and say how a stage is made. The stage starts with $500, no shares, and 48/52 in the book."""

    @abstractmethod
    async def stage(self) -> Stage:
        """A fresh venue."""

    def order(self, stage: Stage, number: int, price: int, shares: float = 10, side: Side = Side.BUY, kind: Kind = Kind.POST_ONLY) -> Place:
        """An order in YES."""
        return Place(number, stage.market.id, stage.market.yes, side, Price(price), Size(round(shares * SHARE)), kind)

    async def account(self, stage: Stage, *orders: int) -> AccountSeen:
        """Ask for the account."""
        await stage.venue.send(Sync(orders))
        (seen,) = of(await stage.settled(), AccountSeen)
        return seen

    async def test_an_order_is_accepted_and_rests(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 4_900))
        told = await stage.settled()
        assert [e.order for e in of(told, OrderAccepted)] == [1]
        seen = await self.account(stage, 1)
        assert [(o.order, o.status, o.matched) for o in seen.orders] == [(1, "open", 0)]
        assert (seen.cash, seen.positions) == (500_000_000, ())
        await stage.close()

    async def test_a_cancel_says_what_was_matched(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 4_900))
        await stage.settled()
        await stage.venue.send(Cancel(1))
        assert [(e.order, e.matched) for e in of(await stage.settled(), OrderCancelled)] == [(1, 0)]
        assert [o.status for o in (await self.account(stage, 1)).orders] == ["done"]
        await stage.close()

    async def test_a_fill_is_told_in_the_orders_own_terms(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 4_900))
        await stage.settled()
        await stage.sell_into(4_900, 4)
        fills = of(await stage.settled(), OrderFilled)
        assert {(e.order, e.price, e.maker) for e in fills} == {(1, 4_900, True)}
        assert sum(e.size for e in fills) == 4 * SHARE
        seen = await self.account(stage, 1)
        assert seen.cash == 500_000_000 - 1_960_000 - sum(Cash(e.fee + e.adverse) for e in fills)
        assert seen.positions == ((stage.market.yes, 4 * SHARE),)
        assert [(o.status, o.matched) for o in seen.orders] == [("open", 4 * SHARE)]
        await stage.close()

    async def test_a_cancel_after_a_part_filled(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 4_900))
        await stage.settled()
        await stage.sell_into(4_900, 4)
        await stage.settled()
        await stage.venue.send(Cancel(1))
        assert [e.matched for e in of(await stage.settled(), OrderCancelled)] == [4 * SHARE]
        await stage.close()

    async def test_post_only_never_takes(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 5_200))
        told = await stage.settled()
        assert [(e.order, e.code) for e in of(told, OrderRejected)] == [(1, "post_only")]
        assert not of(told, OrderAccepted) and not of(told, OrderFilled)
        assert [o.status for o in (await self.account(stage, 1)).orders] == ["absent"]
        await stage.close()

    async def test_a_buy_needs_the_cash(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 4_900, 600))
        await stage.venue.send(self.order(stage, 2, 4_800, 600))
        told = await stage.settled()
        assert [e.order for e in of(told, OrderAccepted)] == [1]
        assert [(e.order, e.code) for e in of(told, OrderRejected)] == [(2, "balance")]
        await stage.close()

    async def test_a_sell_needs_the_shares(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 5_300, side=Side.SELL))
        assert [(e.order, e.code) for e in of(await stage.settled(), OrderRejected)] == [(1, "balance")]
        await stage.close()

    async def test_owned_shares_can_be_sold(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 4_900))
        await stage.settled()
        await stage.sell_into(4_900, 10)
        await stage.settled()
        await stage.show(4_800, 5_200)
        await stage.venue.send(self.order(stage, 2, 4_800, side=Side.SELL, kind=Kind.IOC))
        fills = of(await stage.settled(), OrderFilled)
        assert sum(e.size for e in fills) == 10 * SHARE and not any(e.maker for e in fills)
        assert (await self.account(stage)).positions == ()
        await stage.close()

    async def test_the_grid_and_the_minimum_hold(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 4_950))
        await stage.venue.send(self.order(stage, 2, 4_900, 4))
        assert [(e.order, e.code) for e in of(await stage.settled(), OrderRejected)] == [(1, "tick"), (2, "size")]
        await stage.close()

    async def test_cancel_all_leaves_nothing_open(self) -> None:
        stage = await self.stage()
        for number, price in ((1, 4_700), (2, 4_800), (3, 4_900)):
            await stage.venue.send(self.order(stage, number, price))
        await stage.settled()
        await stage.venue.send(CancelAll())
        assert sorted(e.order for e in of(await stage.settled(), OrderCancelled)) == [1, 2, 3]
        assert (await self.account(stage)).orders == ()
        await stage.close()

    async def test_sync_tells_fills_again_before_the_account(self) -> None:
        stage = await self.stage()
        await stage.venue.send(self.order(stage, 1, 4_900))
        await stage.settled()
        await stage.sell_into(4_900, 10)
        first = of(await stage.settled(), OrderFilled)
        await stage.venue.send(Sync((1, 7)))
        told = [e for e in await stage.settled() if not isinstance(e, ClockSeen)]
        assert {(e.trade, e.size, e.price) for e in of(told, OrderFilled)} == {(e.trade, e.size, e.price) for e in first}
        assert isinstance(told[-1], AccountSeen)
        assert [(o.order, o.status, o.matched) for o in told[-1].orders] == [(1, "done", 10 * SHARE), (7, "absent", 0)]
        await stage.close()
