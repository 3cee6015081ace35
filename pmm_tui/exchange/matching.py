"""The exchange's matching: real orders by price and time, their money, and what becomes of their trades on chain.

Theory of operation. A market is one ladder in YES terms: a NO buy at p rests as a YES ask at 1 - p, so that complementary, mint (two buys
whose prices reach a dollar) and merge (two sells within a dollar) matches are all the same crossing. The best price goes first, within it
the oldest; the trade is at the maker's price, so improvement is the taker's. One taker against one price level is one trade, MATCHED at
once: its money is promised, and moves when the trade is mined. A trade that fails gives its promises back and moves nothing.

Nothing here reads a clock: `at` is an argument, and `advance` does what is due. Every operation leaves the facts it led to in `take`.
"""

import heapq
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from pmm_tui.core.events import Change
from pmm_tui.core.fees import taker_fee
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import MILLI, ONE, SECOND, Cash, Nanos, Price, Size, gets, pays
from pmm_tui.exchange.accrual import Accrual
from pmm_tui.exchange.admission import GTD_EARLY_NS, NO_BALANCE, NOT_READY, Rules, affordable, crossing, fee_at_most, refuse
from pmm_tui.exchange.floor import Floor, Pit, Placed, forget
from pmm_tui.exchange.ladder import in_yes
from pmm_tui.exchange.settling import Settling
from pmm_tui.exchange.terms import (
    Closed,
    Fact,
    Lasts,
    LevelsMoved,
    Listed,
    Order,
    OrderTold,
    Part,
    Printed,
    Resolved,
    TickMoved,
    Trade,
    TradeTold,
)

if TYPE_CHECKING:
    from random import Random

NEVER = Nanos(2**63 - 1)
FINE = Price(10)
EDGES = (Price(400), Price(9_600))
_GONE = "Order not found or already canceled"
_BUY, _SELL = Side.BUY, Side.SELL


class Matching(Floor):
    """All orders and trades of the exchange, over its markets and wallets."""

    def __init__(self, chance: "Random", rules: Rules | None = None) -> None:
        super().__init__()
        self.rules = rules or Rules()
        self.orders: dict[str, Order] = {}
        self.trades: dict[str, Trade] = {}
        self.accrual = Accrual()
        self.settling = Settling(chance, self.rules, self.wallet, self._later, self._tell)
        self._chance = chance
        self._facts: list[Fact] = []
        self._touched: dict[tuple[str, Side, Price], None] = {}
        self._due: list[tuple[Nanos, int, Callable[[Nanos], None]]] = []
        self._count = 0

    # --- markets --------------------------------------------------------------------------------------------------------------------
    def list_market(self, market: Market, at: Nanos) -> None:
        """Open a market; known already, nothing happens."""
        if market.id not in self.markets:
            pit = self.markets[market.id] = self._pits[market.yes] = self._pits[market.no] = Pit(market)
            self._facts.append(Listed(at, pit.market))
            if len(self.markets) == 1 and self.rules.reward_sample_s:
                self._later(Nanos(at + self.rules.reward_sample_s * SECOND), self._sample)

    # --- orders -------------------------------------------------------------------------------------------------------------------------
    def place(self, order: Order, at: Nanos) -> Placed:
        """Take an order, match it, rest what is left; or say why not, and then nothing has happened."""
        pit = self.markets.get(order.market)
        if pit is None or pit.closed:
            return Placed(NOT_READY)
        if order.id in self.orders:
            return Placed(f"order {order.id} is invalid. Duplicated.")
        if why := self._refused(pit, order, at):
            return Placed(why)
        self._count += 1
        order.seq, order.status = self._count, "LIVE"
        self.orders[order.id] = order
        if self.rules.taker_delay_ms and crossing(order, pit.market, pit.ladder):
            order.status = "DELAYED"
            fee = fee_at_most(order, pit.market, pit.ladder) if order.side is _BUY else Cash(0)
            self.wallet(order.wallet).fees += fee
            self._hold(pit, order, 0, order.rest)
            self._later(Nanos(at + self.rules.taker_delay_ms * MILLI), lambda now: self._undelay(order, fee, now))
            self._tell_order("PLACEMENT", order, at)
            return Placed(status="delayed")
        return self._go(pit, order, at)

    def cancel(self, ids: Sequence[str], wallet: str, at: Nanos) -> tuple[list[str], dict[str, str]]:
        """Cancel a wallet's orders by id: those that are gone now, and why the others are not."""
        gone: list[str] = []
        kept: dict[str, str] = {}
        for one in dict.fromkeys(ids):
            order = self.orders.get(one)
            if order is None or (wallet and order.wallet != wallet) or order.status.startswith("CANCELED"):
                kept[one] = _GONE
            elif order.status == "MATCHED":
                kept[one] = "Order already matched"
            elif order.status == "DELAYED":
                kept[one] = "the order is delayed and cannot be canceled yet"
            else:
                self._end(order, "CANCELED", at)
                gone.append(one)
        self._tell_levels(at)
        return gone, kept

    def reduce(self, order: Order, size: Size, at: Nanos) -> None:
        """A participant of the exchange's own makes its order smaller, in its place: what a cancel from the back of a level looks like."""
        pit = self.markets[order.market]
        side, price = pit.ladder.shrink(order, size)
        self._touched[order.market, side, price] = None
        self._tell_levels(at)

    def cancel_where(self, wallet: str, at: Nanos, market: str = "", token: str = "", owner: str = "") -> tuple[list[str], dict[str, str]]:
        """Cancel every order of a wallet (empty: of any) that fits."""
        pits = [self.markets[market]] if market in self.markets else [] if market else list(self.markets.values())
        ids = [
            order.id
            for pit in pits
            for order in pit.ladder.orders()
            if (not wallet or order.wallet == wallet) and (not token or order.token == token) and (not owner or order.owner == owner)
        ]
        return self.cancel(ids, wallet, at)

    def open_orders(self, wallet: str) -> list[Order]:
        """A wallet's resting and delayed orders, oldest first."""
        live = [order for order in self.orders.values() if order.wallet == wallet and order.status in ("LIVE", "DELAYED")]
        return sorted(live, key=lambda order: order.seq)

    def trades_of(self, wallet: str, after_s: int = 0) -> list[Trade]:
        """A wallet's trades as taker or maker, newest first, matched at or after a time."""
        return [
            trade
            for trade in reversed(self.trades.values())
            if trade.at >= after_s * SECOND and (trade.wallet == wallet or any(part.wallet == wallet for part in trade.parts))
        ]

    # --- time ---------------------------------------------------------------------------------------------------------------------------
    def due(self) -> Nanos:
        """When something happens next by itself."""
        return self._due[0][0] if self._due else NEVER

    def advance(self, to: Nanos) -> None:
        """Do all that is due by now, in order."""
        while self._due and self._due[0][0] <= to:
            at, _, act = heapq.heappop(self._due)
            act(at)

    def take(self) -> list[Fact]:
        """What happened since it was asked last, in order."""
        facts, self._facts = self._facts, []
        return facts

    # --- the venue's own acts -----------------------------------------------------------------------------------------------------------
    def retick(self, market: str, tick: Price, at: Nanos) -> None:
        """Another grid; what is off it is cancelled."""
        pit = self.markets[market]
        if tick == pit.tick:
            return
        old, pit.tick = pit.tick, tick
        for order in pit.ladder.orders():
            if order.price % tick:
                self._end(order, "CANCELED", at)
        self._tell_levels(at)
        self._facts.append(TickMoved(at, market, old, tick))

    def close(self, market: str, at: Nanos) -> None:
        """No more orders; what rests is cancelled."""
        pit = self.markets[market]
        if not pit.closed:
            pit.closed = True
            for order in pit.ladder.orders():
                self._end(order, "CANCELED_MARKET_RESOLVED", at)
            self._tell_levels(at)
            self._facts.append(Closed(at, market))

    def resolve(self, market: str, payout_yes: Price, at: Nanos) -> None:
        """The result; shares are redeemed at it when their holder asks."""
        self.close(market, at)
        pit = self.markets[market]
        if pit.payout is None:
            pit.payout = payout_yes
            self._facts.append(Resolved(at, market, payout_yes))

    def settle_next(self, trade: str, status: str, at: Nanos) -> None:
        """Have a trade take a step now: MINED, CONFIRMED, RETRYING or FAILED. What cannot follow its status changes nothing."""
        self.settling.step(self.trades[trade], status, at)

    def redeem(self, wallet: str, market: str) -> Cash:
        """Turn a wallet's shares of a decided market into what they pay; the dollars. ValueError where it is not decided."""
        pit = self.markets[market]
        if pit.payout is None:
            raise ValueError(f"market {market} is not resolved")
        return self.wallet(wallet).redeem(pit.market, pit.payout)

    def split(self, wallet: str, market: str, size: Size) -> str:
        """A dollar becomes a share of each; why not, or empty."""
        return self.wallet(wallet).split(self.markets[market].market, size)

    def merge(self, wallet: str, market: str, size: Size) -> str:
        """A share of each becomes a dollar; why not, or empty."""
        return self.wallet(wallet).merge(self.markets[market].market, size)

    # --- inside -------------------------------------------------------------------------------------------------------------------------
    def _go(self, pit: Pit, order: Order, at: Nanos) -> Placed:
        """Match, then rest or end."""
        trades = self._match(pit, order, at)
        making, taking = _amounts(order, trades)
        left = order.rest and not order.budget
        if left and order.lasts in (Lasts.GTC, Lasts.GTD):
            self._rest(pit, order, at)
            status = "matched" if trades else "live"
        else:
            status = "matched"
            order.status = "CANCELED" if left else "MATCHED"
            self._tell_order("CANCELLATION" if left else "UPDATE", order, at)
        self._tell_levels(at)
        self._edge(pit, at)
        if self.wallet(order.wallet).unlimited and order.status != "LIVE":
            self.orders.pop(order.id, None)
        return Placed("", status, making, taking, tuple(trade.id for trade in trades))

    def _refused(self, pit: Pit, order: Order, at: Nanos) -> str:
        """Why an order is not taken, once what it would meet is known to be backed by its wallets."""
        side, limit = in_yes(pit.market, order.token, order.side, order.price)
        self._drop_unbacked(pit, side.other, limit, at)
        return refuse(order, pit.market, pit.tick, pit.ladder, self.wallet(order.wallet), self.rules, at)

    def _drop_unbacked(self, pit: Pit, side: Side, limit: Price, at: Nanos) -> None:
        """Take out the resting orders within a taker's reach that their wallets no longer cover, all of a wallet's orders together."""
        needs: dict[tuple[str, str], int] = {}
        for order in pit.ladder.within(side, limit):
            wallet = self.wallet(order.wallet)
            if wallet.unlimited:
                continue
            key = (order.wallet, "" if order.side is _BUY else order.token)
            needs[key] = needs.get(key, 0) + (pays(order.price, order.rest) if order.side is _BUY else order.rest)
            settled = wallet.shares.get(order.token, 0) - wallet.selling.get(order.token, 0)
            if needs[key] > (wallet.cash - wallet.owed if order.side is _BUY else settled):
                needs[key] -= pays(order.price, order.rest) if order.side is _BUY else order.rest
                self._end(order, "CANCELED_NOT_ENOUGH_BALANCE", at)
        self._tell_levels(at)

    def _undelay(self, order: Order, fee: Cash, at: Nanos) -> None:
        pit = self.markets[order.market]
        if order.status != "DELAYED":
            return
        self.wallet(order.wallet).fees -= fee
        self._hold(pit, order, order.rest, 0)
        order.status = "LIVE"
        if why := "MARKET_RESOLVED" if pit.closed else self._refused(pit, order, at):
            order.status = f"CANCELED_{'NOT_ENOUGH_BALANCE' if why.startswith(NO_BALANCE) else why}"
            self._tell_order("CANCELLATION", order, at)
        else:
            self._go(pit, order, at)

    def _match(self, pit: Pit, order: Order, at: Nanos) -> list[Trade]:
        """Take what the other side offers within the limit, level by level."""
        side, limit = in_yes(pit.market, order.token, order.side, order.price)
        parts: dict[Price, list[Part]] = {}
        money = int(order.budget)
        for maker in pit.ladder.queue(side.other, limit):
            price = in_yes(pit.market, maker.token, maker.side, maker.price)[1]
            own = price if order.token == pit.market.yes else Price(ONE - price)
            size = min(maker.rest, affordable(money, own) if order.budget else order.rest)
            if not size:
                break
            self._hold(pit, maker, maker.rest, maker.rest - size)
            pit.ladder.fill(maker, Size(size))
            self._touched[pit.market.id, side.other, price] = None
            order.matched = Size(order.matched + size)
            money -= pays(own, Size(size)) if order.budget else 0
            parts.setdefault(price, []).append(Part(maker.id, maker.owner, maker.wallet, maker.token, maker.side, maker.price, Size(size)))
            if not order.budget and not order.rest:
                break
        return [self._trade(pit, order, price, tuple(taken), at) for price, taken in parts.items()]

    def _trade(self, pit: Pit, order: Order, price: Price, parts: tuple[Part, ...], at: Nanos) -> Trade:
        """One taker against one level."""
        market = pit.market
        own = price if order.token == market.yes else Price(ONE - price)
        size = Size(sum(part.size for part in parts))
        fee = taker_fee(market.fees, own, size) if not self.wallet(order.wallet).unlimited else Cash(0)
        self._count += 1
        name = f"{self._chance.getrandbits(128):032x}"
        trade = Trade(
            id=f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:]}",
            taker=order.id, owner=order.owner, wallet=order.wallet, market=market.id, token=order.token, side=order.side,
            price=own, size=size, fee=fee, parts=parts, at=at, updated=at, bucket=0,
        )  # fmt: skip
        pit.last = own  # the taker's own token's price, whichever that is
        counted = bool(order.owner) or any(part.owner for part in parts)
        if counted:
            self.trades[trade.id] = trade
            order.trades.append(trade.id)
            self.settling.begin(trade, at)
        for part in parts:
            maker = self.orders[part.order]
            if counted:
                maker.trades.append(trade.id)
            if not maker.rest:
                maker.status = "MATCHED"
            self._tell_order("UPDATE", maker, at)
            if not maker.rest and self.wallet(maker.wallet).unlimited:
                del self.orders[maker.id]
        self._facts.append(Printed(at, market.id, trade.id, order.token, order.side, own, size))
        return trade

    def _rest(self, pit: Pit, order: Order, at: Nanos) -> None:
        side, price = pit.ladder.add(order)
        self._touched[pit.market.id, side, price] = None
        self._hold(pit, order, 0, order.rest)
        if order.lasts is Lasts.GTD:
            self._later(Nanos(order.expires - GTD_EARLY_NS), lambda now: self._expire(order, now))
        self._tell_order("UPDATE" if order.matched else "PLACEMENT", order, at)

    def _expire(self, order: Order, at: Nanos) -> None:
        if order.status == "LIVE":
            self._end(order, "CANCELED_EXPIRED_ORDER", at)
            self._tell_levels(at)

    def _end(self, order: Order, status: str, at: Nanos) -> None:
        """A resting order leaves the book."""
        pit = self.markets[order.market]
        side, price = pit.ladder.remove(order)
        self._touched[pit.market.id, side, price] = None
        self._hold(pit, order, order.rest, 0)
        order.status = status
        self._tell_order("CANCELLATION", order, at)
        if self.wallet(order.wallet).unlimited:
            self.orders.pop(order.id, None)

    def _hold(self, pit: Pit, order: Order, before: int, after: int) -> None:
        """Hold back what the rest of an order may take, from its size before to that after, so that roundings never add up."""
        wallet = self.wallet(order.wallet)
        if wallet.unlimited:
            return
        if order.side is _BUY:
            wallet.reserve(pit.market.id, pays(order.price, after) - pays(order.price, before))
        else:
            wallet.promise(order.token, after - before)

    def _edge(self, pit: Pit, at: Nanos) -> None:
        """Near 0 and 1 the venue makes the grid finer."""
        if not self.rules.tick_change or pit.tick <= FINE:
            return
        bid, ask = pit.ladder.best(_BUY), pit.ladder.best(_SELL)
        if (ask is not None and ask < EDGES[0]) or (bid is not None and bid > EDGES[1]):
            self.retick(pit.market.id, FINE, at)

    # telling
    def _tell(self, fact: Fact) -> None:
        if isinstance(fact, TradeTold) and fact.trade.status == "CONFIRMED":
            self.accrual.trade(self.markets[fact.trade.market].market, fact.trade)
        self._facts.append(fact)

    def _later(self, at: Nanos, act: Callable[[Nanos], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, act))

    def _tell_order(self, kind: str, order: Order, at: Nanos) -> None:
        if order.owner:
            self._facts.append(OrderTold(at, kind, structs.replace(order, trades=list(order.trades))))

    def _tell_levels(self, at: Nanos) -> None:
        """One fact a market with the new totals of all that changed."""
        changes: dict[str, list[Change]] = {}
        for market, side, price in self._touched:
            changes.setdefault(market, []).append((side, price, self.markets[market].ladder.size_at(side, price)))
        self._touched.clear()
        self._facts += [LevelsMoved(at, market, tuple(moved)) for market, moved in changes.items()]

    def _sample(self, at: Nanos) -> None:
        forget(self.orders, self.trades)
        for pit in self.markets.values():
            if not pit.closed:
                self.accrual.sample(pit.market, pit.ladder)
        self._later(Nanos(at + self.rules.reward_sample_s * SECOND), self._sample)


def _amounts(order: Order, trades: Sequence[Trade]) -> tuple[int, int]:
    """What matched at once, as the venue tells it: what the order gave and what it got."""
    shares = sum(trade.size for trade in trades)
    if order.side is _BUY:
        return sum(pays(trade.price, trade.size) for trade in trades), shares
    return shares, sum(gets(trade.price, trade.size) for trade in trades)
