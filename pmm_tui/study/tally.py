"""What one desk's run says of itself, folded fact by fact: the same figures from a desk that runs and from a journal that is read again.

Theory of operation. After the engine's step, `step` looks at the fact, at the commands it led to and at the state. Facts about books, which
are nearly all, cost one look-up. Orders are told apart by their command and the fact that answers it, fills by the portfolio, which books
each one once. Everything that only time brings (time quoting, spreads, jumps, profit by the minute, markouts) is done at the ticks.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from pmm_tui.core.commands import Cancel, CancelAll, Command, Place
from pmm_tui.core.decide import ours
from pmm_tui.core.events import Event, ExternalFilled, FillSettled, OrderAccepted, OrderCancelled, OrderFilled, OrderRejected, Ticked
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.portfolio import Fill
from pmm_tui.core.snapshot import Stats
from pmm_tui.core.state import MarketState, State
from pmm_tui.core.units import ONE, SECOND, pays, to_cash
from pmm_tui.study.cells import CODES, FIELDS, LEVELS, Cell, Cells
from pmm_tui.study.markouts import Mark, Markouts, fresh_mid, mark_of, mid_of, touch

TOLD_MOST = 16
"""Cells in a frame, and what the grid goes by: a run's journal has the same grid as the desk had, and all of its cells."""
READ_MOST = 20_000
"""Cells that are kept of a journal."""
PAUSE_MAX_NS = SECOND
"""Ticks are this far apart at most while the desk runs: what is longer was no watching."""
SWEEP_NS = SECOND // 10
"""Fills told within this are of one sweep: what the first of them made us cancel was no longer ours to cancel."""
TOXIC = "markout_2"
"""The markout whose sign calls a fill toxic."""
REASON_MAX = 120
_CLOSING = "flatten"
"""The strategy of orders that close a position at the operator's word: they are no quotes."""
_OPEN = Status.OPEN


class Tally:
    """The figures of a run so far."""

    def __init__(self, most: int = TOLD_MOST, kept: int = 0) -> None:
        """`most`: cells that the grid goes by. `kept`: cells that are kept; 0 for as few as a desk needs, which runs for weeks."""
        self.cells = Cells(most, kept=kept)
        self._most = most
        self.marks = Markouts()
        self._reasons: dict[str, str] = {}
        self._gas = 0
        self._operations = 0
        self._ticked = 0
        """When the last tick was."""
        self._clock = 0
        """The second of the last tick."""
        self._watched: dict[str, int] = {}
        """When a market was last watched."""
        self._asked: dict[int, int] = {}
        """When an order's end was first asked for."""
        self._filled: dict[int, None] = {}
        """Orders that had a fill, while they live."""
        self._sweeps: dict[str, tuple[int, int]] = {}
        """By market: the first and the last fill of its newest sweep."""
        self._mids: dict[str, float] = {}
        """Of the second before."""
        self._worth: dict[str, int] = {}
        """Profit of each market at the last whole second, micro-dollars."""
        self._costs: dict[str, int] = {}
        """Fees and charges of each market, micro-dollars."""
        self._shares: dict[str, float] = {}
        """Traded since the last whole second."""
        self._matched: dict[tuple[str, int], Mark] = {}
        """Fills that have not reached their end on chain, by (trade, order)."""
        self._fills = 0
        self._steps: dict[type[Event], Callable[[State, Any], None]] = {
            Ticked: self._tick,
            OrderAccepted: self._accepted,
            OrderRejected: self._rejected,
            OrderCancelled: self._cancelled,
            OrderFilled: self._fill,
            FillSettled: self._settled,
            ExternalFilled: self._not_ours,
        }

    def step(self, state: State, event: Event, commands: Iterable[Command]) -> None:
        """One fact that the engine has stepped, and what it asked for."""
        for command in commands:
            if isinstance(command, Place):
                self._placed(state, command.order)
            elif isinstance(command, Cancel):
                self._asked.setdefault(command.order, event.at)
            elif isinstance(command, CancelAll):
                for order in state.live:
                    self._asked.setdefault(order, event.at)
        take = self._steps.get(type(event))
        if take is not None:
            take(state, event)

    def end(self, state: State) -> None:
        """The run is over: what the last tick has not seen any more."""
        self._profits(state, state.now)

    def told(self, most: int | None = None) -> Stats:
        """What a face may see now; `most`: of so many of the newest cells."""
        cells, reasons = self.cells.told(most or self._most), tuple(sorted(self._reasons.items()))
        older = self.cells.gone + len(self.cells) - len(cells)
        return Stats(self.cells.stretch_s, FIELDS, cells, reasons, self._gas / 1e6, self._operations, self.marks.unfollowed, older)

    def _time(self, market: MarketState, at: int) -> int:
        """When something of a market counts; what comes after its end belongs to the last moment in which it was watched."""
        if market.over:
            at = min(at, self._watched.get(market.market.id, at))
        return min(at, market.market.closes - 1) if market.market.closes else at

    def _cell(self, market: MarketState, at: int) -> Cell:
        return self.cells.at(market.market.id, self._time(market, at), market.market.closes)

    def _of(self, state: State, number: int) -> tuple[Order | None, MarketState | None]:
        order = state.live.get(number) or state.finished.get(number)
        return order, state.markets.get(order.market) if order is not None else None

    def _placed(self, state: State, number: int) -> None:
        order, market = self._of(state, number)
        if order is not None and market is not None and order.strategy != _CLOSING:
            cell = self._cell(market, state.now)
            cell.count("placed")
            if order.level < len(LEVELS):
                cell.count(f"placed_{LEVELS[order.level]}")

    def _accepted(self, state: State, event: OrderAccepted) -> None:
        order, market = self._of(state, event.order)
        if order is None or market is None or order.accepted_at != event.at:
            return
        cell = self._cell(market, event.at)
        cell.wait("submit", (event.at - order.sent_at) / 1e6)
        if order.ahead >= 0:
            cell.weigh("ahead_joined", self._time(market, event.at), 1.0, order.ahead / 1e6)

    def _rejected(self, state: State, event: OrderRejected) -> None:
        order, market = self._of(state, event.order)
        self._asked.pop(event.order, None)
        if order is None or market is None or order.changed_at != event.at:
            return
        code = event.code if event.code in CODES else "other"
        self._cell(market, event.at).count(f"reject_{code}")
        self._reasons[code] = event.reason[:REASON_MAX]

    def _cancelled(self, state: State, event: OrderCancelled) -> None:
        order, market = self._of(state, event.order)
        asked = self._asked.pop(event.order, None)
        if order is not None and market is not None and asked is not None:
            self._cell(market, event.at).wait("cancel", (event.at - asked) / 1e6)

    def _fill(self, state: State, event: OrderFilled) -> None:
        """A fill, once: the portfolio has counted it."""
        if state.portfolio.fill_count == self._fills:
            return
        self._fills = state.portfolio.fill_count
        order, market = self._of(state, event.order)
        fill = state.portfolio.fills.get((event.trade, event.order))
        if order is None or market is None or fill is None:
            return
        cell, at = self._cell(market, event.at), self._time(market, event.at)
        cell.count("fills")
        cell.count("makers", float(fill.maker))
        cell.count("late", float(self._asked.get(event.order, event.at) < self._sweep(market.market.id, event.at)))
        cell.weigh("arrivals", at, 1.0, 1.0)
        if fill.ahead >= 0:
            cell.weigh("ahead_filled", at, 1.0, fill.ahead / 1e6)
        if order.strategy != _CLOSING and order.id not in self._filled:
            self._filled[order.id] = None
            cell.count("filled")
            if order.level < len(LEVELS):
                cell.count(f"filled_{LEVELS[order.level]}")
        if fill.status == "FAILED":  # its end overtook it
            cell.count("failed")
            return
        mark, mid = replace(mark_of(fill, market.market), counts_at=at), self._mid(state, market)
        self._money(cell, fill, at, 1)
        if mid is not None:
            mark.count(cell, "markout_0", mark.out(mid))
        self.marks.add((fill.trade, fill.order), mark)
        if fill.status == "MATCHED":
            self._matched[(fill.trade, fill.order)] = mark

    def _money(self, cell: Cell, fill: Fill, at: int, sign: int) -> None:
        """What a fill earned and cost; with the sign turned, what it did not, as it never was."""
        name, shares, notional = fill.market, fill.size / 1e6, pays(fill.price, fill.size) / 1e6
        self._costs[name] = self._costs.get(name, 0) + sign * (fill.fee + fill.adverse)
        self._shares[name] = self._shares.get(name, 0.0) + sign * shares
        cell.count("shares", sign * shares)
        cell.count("notional", sign * notional)
        cell.count("rebates" if fill.fee < 0 else "fees", sign * abs(fill.fee) / 1e6)
        weigh = cell.weigh if sign > 0 else cell.unweigh
        weigh("fee", at, notional, fill.fee / 1e6)
        weigh("captured", at, shares, fill.captured / 1e6)

    def _sweep(self, market: str, at: int) -> int:
        """When the sweep of fills that this one belongs to began to be told."""
        start, last = self._sweeps.get(market, (at, at))
        self._sweeps[market] = (at if at - last > SWEEP_NS else start, at)
        return self._sweeps[market][0]

    def _settled(self, state: State, event: FillSettled) -> None:
        """A trade's end on chain. What failed keeps its order and fill counted, as they were; its money and its markouts never were."""
        key = (event.trade, event.order)
        fill, mark = state.portfolio.fills.get(key), self._matched.pop(key, None)
        if event.ok or fill is None or mark is None:
            return
        market = state.markets.get(fill.market)
        if market is not None:
            self._cell(market, event.at).count("failed")
        cell = self.cells.at(mark.market, mark.counts_at, mark.closes)
        self._money(cell, fill, mark.counts_at, -1)
        for name, out in mark.counted:
            cell.unweigh(name, mark.counts_at, mark.shares, out * mark.shares)
            if name == TOXIC:
                cell.count("judged", -1)
                cell.count("toxic", -float(out < 0))
        mark.void = True

    def _not_ours(self, state: State, _: ExternalFilled) -> None:
        """The portfolio counts it among its fills."""
        self._fills = state.portfolio.fill_count

    def _tick(self, state: State, event: Ticked) -> None:
        passed = min(event.at - self._ticked, PAUSE_MAX_NS) / SECOND if self._ticked else 0.0
        self._ticked = event.at
        for name, market in state.markets.items():
            if market.seen_at and not market.over:
                self._watched[name] = event.at
                quoting = False
                for order in market.live.values():
                    if order.status is _OPEN:
                        quoting = True
                        break
                self._cell(market, event.at).pass_time(passed, quoting)
        if event.at >= self.marks.next_at:
            for mean, mark, in_time in self.marks.due(event.at):
                self._mature(state, mean, mark, in_time)
        clock, before = event.at // SECOND, self._clock
        if clock != before:
            self._clock = clock
            self._each_second(state)
            if before and clock // 60 != before // 60:
                self._each_minute(state)

    def _mid(self, state: State, market: MarketState) -> float | None:
        mid = mid_of(market, state.knobs.desk.own_orders_in_book)
        return self._mids.get(market.market.id) if mid is None else mid

    def _mature(self, state: State, name: str, mark: Mark, in_time: bool) -> None:
        """A markout whose time has come; it belongs to the stretch of its fill."""
        market = state.markets.get(mark.market)
        fresh = fresh_mid(state, market) if in_time else None
        mark.outs.append(None if fresh is None else to_cash(mark.out(fresh)))
        mid = self._mid(state, market) if market is not None else None
        if market is None or mid is None:
            return
        cell, out = self.cells.at(mark.market, mark.counts_at, mark.closes), mark.out(mid)
        mark.count(cell, name, out)
        if name == TOXIC:
            cell.count("judged")
            cell.count("toxic", float(out < 0))

    def _each_second(self, state: State) -> None:
        """Once a second: the largest jump of the mid, and the spreads of the others and of our own quotes where both sides rest."""
        ours_in_book = state.knobs.desk.own_orders_in_book
        for name, market in state.markets.items():
            if not market.seen_at or market.over:
                continue
            bid, ask = touch(market, ours_in_book)
            if not 0 < bid < ask < ONE:
                continue
            mid, cell, at = (bid + ask) / (2 * ONE), self._cell(market, state.now), self._time(market, state.now)
            cell.largest(abs(mid - self._mids.get(name, mid)))
            self._mids[name] = mid
            bids, asks = ours(market)
            if bids and asks:
                cell.weigh("spread", at, 1.0, (ask - bid) / ONE)
                cell.weigh("ours", at, 1.0, (min(asks) - max(bids)) / ONE)
        if state.gas > self._gas:
            self._gas = state.gas
            self._operations += 1
        self._profits(state, state.now - state.now % SECOND - 1)

    def _profits(self, state: State, at: int) -> None:
        """Profit by market since it was last looked at; it belongs to the time before `at`."""
        for name, market in state.markets.items():
            value = state.value(market)
            if value is None or not market.seen_at:
                continue
            before = self._worth.get(name, 0)
            worth = state.portfolio.realised_in.get(name, 0) + value - state.cost(market) - self._costs.get(name, 0)
            if not market.over or worth != before:
                self._cell(market, at).weigh("pnl", self._time(market, at), self._shares.pop(name, 0.0), (worth - before) / 1e6)
            self._worth[name] = worth

    def _each_minute(self, state: State) -> None:
        """What is over leaves memory."""
        self._matched = {key: mark for key, mark in self._matched.items() if key in state.portfolio.fills}
        self._asked = {number: at for number, at in self._asked.items() if number in state.live}
        self._filled = {number: None for number in self._filled if number in state.live}
        for kept in (self._sweeps, self._mids, self._worth, self._costs, self._shares, self._watched):
            for gone in [name for name in kept if name not in state.markets]:
                del kept[gone]
