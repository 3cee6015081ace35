"""The paper exchange: fills by estimate, pure and seeded.

Theory of operation. Two observers see the same market, each with its own clock. All times at the door (`at`, `to`, `due`) are the desk's.
The exchange saw an event that the desk learns at `at` already at `at - feed latency`; a placement of time t arrives there at t + placement
latency, a cancel at t + cancel latency; what the exchange answers at x reaches the desk at x + answer latency, and that is never less than
the feed latency, so an answer never precedes the event that caused it. `observe` therefore first lets everything arrive that arrives
before the event (at the same instant: the order is first), and only then moves the book: a quote meets the book as it is on arrival.

The road of commands carries placements, cancels, account questions (at placement latency, so that "absent" is proof), and the
exchange's own appointments: settlements and expiries. The road of answers carries replies, tuples of events that belong together.

The exchange never lends: buys reserve their cost, sells promise settled shares, the proceeds of a sale can be spent once it is settled.
Resting orders fill by a model (`fills.py`): by the book's touch never while the observed book is crossed, never beyond the displayed size
or the trade that is the evidence, and never twice on the same displayed size (`pit.py`). Takers fill against displayed levels.

Answers to what a real venue leaves open: the same order id again is ignored; a cancel of a finished order is answered again with what was
matched, of an order that never was with nothing; Sync sends the fills and settlements of the orders asked about again, then the account.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from pmm_tui.core.commands import Cancel, CancelAll, Command, Merge, Place, Sync
from pmm_tui.core.events import (
    AccountSeen,
    BookChanged,
    BookReset,
    Event,
    FillSettled,
    MarketClosed,
    MarketListed,
    MarketResolved,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    PairsMerged,
    TickSizeChanged,
    Traded,
)
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import ONE, Cash, Nanos, Price, Size, floor_lot
from pmm_tui.venues.paper.account import Account, Fill
from pmm_tui.venues.paper.admission import Refusal, admit, charges, holding, slipped
from pmm_tui.venues.paper.chance import Chance
from pmm_tui.venues.paper.fills import PaperKnobs, Resting, Touch, fill_model
from pmm_tui.venues.paper.latency import NEVER, Road, nanos
from pmm_tui.venues.paper.pit import Pit
from pmm_tui.venues.paper.register import Register

__all__ = ["NEVER", "Matching", "PaperKnobs"]

START_CASH = Cash(500_000_000)
Reply = tuple[Event, ...]


class Settle(Struct, frozen=True):
    """The appointment of a fill with the chain."""

    fill: Fill


class Expire(Struct, frozen=True):
    """The appointment of an order with its end."""

    order: int


class Matching:
    """One account at one simulated exchange. `cash`, `positions` and `resting()` are the truth, for checkers: read, never write."""

    def __init__(self, knobs: PaperKnobs, seed: int, cash: Cash = START_CASH) -> None:
        chance = Chance(seed)
        self.knobs = knobs
        self.account = Account(cash)
        self._chance = Chance(chance.bits())
        self._model = fill_model(knobs, chance)
        self._by_touch = self._model.by_touch
        self._feed = nanos(knobs.feed_latency_ms)
        self._answer = max(self._feed, nanos(knobs.answer_latency_ms))
        self._placement = nanos(knobs.placement_latency_ms)
        self._cancel = nanos(knobs.cancel_latency_ms)
        self._settlement = nanos(knobs.settlement_latency_ms)
        self._now = Nanos(-(2**63))
        self._commands: Road[Command | Settle | Expire] = Road()
        self._answers: Road[Reply] = Road()
        self._pits: dict[str, Pit] = {}
        self._over: set[str] = set()
        self._orders = Register()
        self._unsettled: dict[str, Fill] = {}
        self._trades = 0
        self._facts: dict[type[Event], Callable[[Any], None]] = {
            BookReset: self._book_reset,
            Traded: self._traded,
            TickSizeChanged: self._tick_changed,
            MarketListed: self._listed,
            MarketClosed: self._closed,
            MarketResolved: self._resolved,
        }
        self._arrivals: dict[type[Struct], Callable[[Any], None]] = {
            Place: self._place,
            Cancel: self._cancel_one,
            CancelAll: self._cancel_all,
            Sync: self._sync,
            Merge: self._merge,
            Settle: self._settle,
            Expire: self._expire,
        }

    @property
    def cash(self) -> Cash:
        """Cash at the exchange: free, reserved and unsettled together."""
        return self.account.cash

    @property
    def positions(self) -> dict[str, Size]:
        """Shares by token, unsettled ones included."""
        return self.account.positions

    def resting(self) -> list[Resting]:
        """Every open order."""
        return list(self._orders.open.values())

    def observe(self, event: Event) -> None:
        """A fact of the market: the desk learns it at `event.at`, the exchange knew it a feed's latency before. Others change nothing."""
        now = event.at - self._feed
        if self._commands.next <= now:
            self._arrive(now)
        if now > self._now:
            self._now = Nanos(now)
        if type(event) is BookChanged:
            pit = self._pits.get(event.market)
            if pit is None:
                return
            book, ts, watch = pit.book, event.ts, pit.watch
            change = book.change
            moved = False
            for side, price, size in event.changes:
                if change(side, price, size, ts):
                    moved = True
                if price in watch:
                    shown = book.size_at(side, price)
                    for order in pit.changed(side, price, shown):
                        self._model.changed(order, shown)
            if self._by_touch:
                if book.ask <= pit.our_bid or book.bid >= pit.our_ask:
                    self._touched(pit)
                if moved:
                    pit.before = Touch(book.bid, book.ask)
            return
        fact = self._facts.get(type(event))
        if fact is not None:
            fact(event)

    def send(self, command: Command, at: Nanos) -> None:
        """A command leaves the desk at `at`. What is not for an exchange (Watch, Unwatch, Alert) is ignored."""
        if isinstance(command, Place | Sync | Merge):
            self._commands.put(Nanos(at + self._placement), command)
        elif isinstance(command, Cancel | CancelAll):
            self._commands.put(Nanos(at + self._cancel), command)

    def due(self) -> Nanos:
        """The next desk time at which something of ours may happen; NEVER if nothing is under way."""
        # Asked before every fact of a replay. Where no command is under way its sum is beyond NEVER, which no answer's time is.
        answer, arrival = self._answers.next, self._commands.next + self._answer
        return answer if answer < arrival or arrival > NEVER else Nanos(arrival)

    def advance(self, to: Nanos) -> list[Event]:
        """All answers due at or before `to`, in time order, `at` = their due time."""
        return [event for reply in self.replies(to) for event in reply]

    def replies(self, to: Nanos) -> list[Reply]:
        """The same, with the events of one reply kept together."""
        self._arrive(Nanos(to - self._feed))
        ready = []
        while self._answers.next <= to:
            ready.append(self._answers.take()[1])
        return ready

    # what arrives

    def _arrive(self, now: int) -> None:
        while self._commands.next <= now:
            at, item = self._commands.take()
            self._now = max(self._now, at)
            self._arrivals[type(item)](item)

    def _reply(self, *events: Event) -> None:
        self._answers.put(Nanos(self._now + self._answer), events)

    @property
    def _told(self) -> Nanos:
        """When the desk will learn what the exchange says now."""
        return Nanos(self._now + self._answer)

    def _place(self, command: Place) -> None:
        if command.order in self._orders:
            return
        pit = self._pits.get(command.market)
        if pit is None:
            gone = Refusal("market is over", "closed") if command.market in self._over else Refusal("market is not listed", "other")
            self._refuse(command.order, gone)
            return
        order = admit(command, pit, self.account, self.knobs)
        if isinstance(order, Refusal):
            self._refuse(command.order, order)
            return
        self._orders.take(order)
        self.account.hold(order, holding(order, pit.market.fees, self.knobs))
        resized = order.size if order.size != command.size else Size(0)
        self._reply(OrderAccepted(self._told, order.id, f"paper-{order.id}", resized))
        if order.kind is not Kind.POST_ONLY:
            self._take(pit, order)
        if order.id not in self._orders.open:
            return
        if order.kind in (Kind.IOC, Kind.FOK):
            self._end(order, "the rest found nothing to match")
            return
        pit.add(order)
        self._model.placed(order, pit.book.size_at(Side.BUY if order.bid else Side.SELL, order.level))
        if self._model.age_max:
            self._commands.put(Nanos(self._now + self._model.age_max), Expire(order.id))

    def _refuse(self, order: int, refusal: Refusal) -> None:
        self._orders.refuse(order, self._now)
        self._reply(OrderRejected(self._told, order, refusal.reason, refusal.code))

    def _cancel_one(self, command: Cancel) -> None:
        if (order := self._orders.open.get(command.order)) is not None:
            self._end(order, "")
        elif (matched := self._orders.matched(command.order)) is not None:
            self._reply(OrderCancelled(self._told, command.order, matched, "already done"))

    def _cancel_all(self, command: CancelAll) -> None:
        for order in self.resting():
            self._end(order, "cancel all")

    def _expire(self, appointment: Expire) -> None:
        if (order := self._orders.open.get(appointment.order)) is not None:
            self._end(order, f"expired after {self.knobs.queue_order_age_s_max:g} s")

    def _sync(self, command: Sync) -> None:
        told = self._told
        story = [event for order in command.orders for event in self._orders.story(order, told)]
        orders = tuple(self._orders.seen(order) for order in dict.fromkeys([*self._orders.open, *command.orders]))
        self._reply(*story, AccountSeen(told, self.account.cash, tuple(sorted(self.account.positions.items())), orders))

    def _settle(self, appointment: Settle) -> None:
        fill = appointment.fill
        if fill.ok is None:
            self._finish(fill, not self._chance.hits(self.knobs.settlement_failure_probability))

    def _finish(self, fill: Fill, ok: bool) -> None:
        del self._unsettled[fill.event.trade]
        self.account.settle(fill, ok)
        self._reply(FillSettled(self._told, fill.event.trade, fill.event.order, ok))

    # what the market does

    def _listed(self, event: MarketListed) -> None:
        pit = self._pits.get(event.market.id)
        if pit is not None:
            pit.market = event.market
        elif event.market.id not in self._over:
            self._pits[event.market.id] = Pit(event.market)

    def _book_reset(self, event: BookReset) -> None:
        pit = self._pits.get(event.market)
        if pit is None or not pit.book.reset(event.bids, event.asks, event.ts, event.tick):
            return
        self._cull(pit)
        pit.replaced()
        for order in pit.orders():
            self._model.changed(order, pit.book.size_at(Side.BUY if order.bid else Side.SELL, order.level))
        if self._by_touch:
            self._touched(pit)
        pit.before = Touch(pit.book.bid, pit.book.ask)

    def _tick_changed(self, event: TickSizeChanged) -> None:
        pit = self._pits.get(event.market)
        if pit is not None:
            pit.book.retick(event.tick)
            self._cull(pit)

    def _cull(self, pit: Pit) -> None:
        """The venue cancels what is off a new grid."""
        for order in pit.orders():
            if order.price % pit.book.tick:
                self._end(order, "off the new tick size")

    def _merge(self, command: Merge) -> None:
        pit = self._pits.get(command.market)
        done = pit is not None and self.account.merge(pit.market.yes, pit.market.no, command.size)
        self._reply(PairsMerged(self._told, command.market, command.size if done else Size(0), reason="" if done else "not there to merge"))

    def _closed(self, event: MarketClosed) -> None:
        pit = self._pits.get(event.market)
        if pit is not None:
            pit.closed = True
            for order in pit.orders():
                self._end(order, "market closed")

    def _resolved(self, event: MarketResolved) -> None:
        """What is decided is final: open orders end, fills still under way settle, and the shares leave for what they pay."""
        self._closed(MarketClosed(event.at, event.market))
        self._over.add(event.market)
        pit = self._pits.pop(event.market, None)
        if pit is None:
            return
        for fill in [fill for fill in self._unsettled.values() if fill.market == event.market]:
            self._finish(fill, True)
        self.account.pay_out(pit.market.yes, event.payout_yes)
        self.account.pay_out(pit.market.no, ONE - event.payout_yes)

    def _traded(self, event: Traded) -> None:
        pit = self._pits.get(event.market)
        if pit is None or not (pit.bids or pit.asks):
            return
        left = floor_lot(event.size * round(self._model.trade_share * 1_000_000) // 1_000_000)
        before = Touch(pit.book.bid, pit.book.ask)
        reached = [o for o in pit.bids if event.price <= o.level] + [o for o in pit.asks if event.price >= o.level]
        for order in reached:
            size = self._model.traded(order, event, left, before)
            if size and self._fill(pit, order, order.price, size, maker=True):
                left = Size(left - size)

    def _touched(self, pit: Pit) -> None:
        """The other side reached or passed our best: what is newly displayed there is offered to our orders, best first."""
        book = pit.book
        if book.crossed:
            return
        if book.ask <= pit.our_bid:
            side, orders, best = Side.SELL, pit.bids, pit.our_bid
        elif book.bid >= pit.our_ask:
            side, orders, best = Side.BUY, pit.asks, pit.our_ask
        else:
            return
        fresh = pit.offer(side, best)
        for order in list(orders):
            mine = [level for level in fresh if level[1] and (level[0] <= order.level if order.bid else level[0] >= order.level)]
            size = self._model.touched(order, Size(sum(level[1] for level in mine)), pit.before) if mine else Size(0)
            if not size or not self._fill(pit, order, order.price, size, maker=True):
                continue
            for level in mine:
                used = min(level[1], size)
                level[1] -= used
                size = Size(size - used)
                if used:
                    pit.took(side, Price(level[0]), Size(used))

    def _take(self, pit: Pit, order: Resting) -> None:
        """A taker against what is displayed and not taken yet, level by level, at prices worsened by the slippage."""
        side = Side.SELL if order.bid else Side.BUY
        for level, size in pit.takeable(side, order.level):
            got = floor_lot(min(order.rest, size))
            if not got:
                continue
            price = slipped(self.knobs, order, level, order.token == pit.market.yes)
            if not self._fill(pit, order, price, got, maker=False):
                return
            pit.took(side, level, got)
            if not order.rest:
                return

    # what becomes of an order

    def _fill(self, pit: Pit, order: Resting, price: Price, size: Size, maker: bool) -> bool:
        """Book one fill and tell it; False where the account no longer covers it, and the order ends."""
        fee, adverse = charges(self.knobs, pit.market.fees, price, size, maker)
        event = OrderFilled(self._told, order.id, f"paper-{self._trades + 1}", price, size, fee, maker, adverse)
        fill = self.account.book(order, event)
        if fill is None:
            self._end(order, "not enough balance")
            return False
        self._trades += 1
        self._unsettled[event.trade] = fill
        self._orders.filled(order.id, fill)
        order.filled = Size(order.filled + size)
        self.account.hold(order, holding(order, pit.market.fees, self.knobs))
        self._reply(event)
        self._commands.put(Nanos(self._now + self._settlement), Settle(fill))
        if not order.rest:
            self._gone(order)
        return True

    def _end(self, order: Resting, reason: str) -> None:
        """The order rests no more, and the desk is told what was matched of it."""
        self._gone(order)
        self._reply(OrderCancelled(self._told, order.id, order.filled, reason))

    def _gone(self, order: Resting) -> None:
        self._orders.end(order.id, self._now)
        self.account.hold(order, 0)
        pit = self._pits[order.market]
        if order in (pit.bids if order.bid else pit.asks):
            pit.remove(order)
