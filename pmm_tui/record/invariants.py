"""What must hold after every step of a desk, whatever the market, the venue and the road between them do.

`Invariants.after` is told each fact and the commands it led to, and looks at the desk, and past it at the truth that only a simulation
knows: the venue's own account and its resting orders. The first thing that is wrong raises Broken.
"""

from math import isfinite

from msgspec import Struct

from pmm_tui.core.commands import CancelAll, Command, Place
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import AccountSeen, Event, FillSettled, MarketListed, MarketResolved, OrderFilled, Ticked
from pmm_tui.core.instructions import Flattened, Instruction, Killed
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.orders.room import room_of
from pmm_tui.core.risk.guards import hold_reason
from pmm_tui.core.risk.kill import drawdown
from pmm_tui.core.state import MarketState
from pmm_tui.core.units import LOT, ONE, Cash, Price, gets, pays
from pmm_tui.venues.paper.matching import Matching

SNAPSHOT_EVERY = 16
"""A snapshot is a function of the state and costs more than a step: it is taken at every so many steps, and at every step that matters."""
_MATTERS = (Instruction, MarketListed, MarketResolved, AccountSeen)


class Broken(AssertionError):
    """An invariant does not hold: its name, and what was found."""

    def __init__(self, invariant: str, found: str) -> None:
        super().__init__(f"{invariant}: {found}")
        self.invariant = invariant
        self.found = found


class Booked(Struct):
    """One fill as the ledger heard it."""

    token: str
    shares: int
    cash: int


class Ledger:
    """Cash and shares worked out a second time, from the facts alone: a fill counts once, a failed one not at all, a result pays."""

    __slots__ = ("_failed", "_fills", "_payouts", "_settled", "cash", "shares")

    def __init__(self, initial: Cash) -> None:
        self.cash: int = initial
        self.shares: dict[str, int] = {}
        self._fills: dict[tuple[str, int], Booked] = {}
        self._failed: set[tuple[str, int]] = set()
        self._settled: set[tuple[str, int]] = set()
        self._payouts: dict[str, Price] = {}

    def hear(self, event: Event, orders: dict[int, Place], tokens: dict[str, tuple[str, str]]) -> None:
        """Take one fact; `orders` are all that were ever placed, `tokens` the two of each market."""
        if isinstance(event, OrderFilled):
            self._fill(event, orders[event.order])
        elif isinstance(event, FillSettled):
            key = (event.trade, event.order)
            if key in self._settled:
                return
            self._settled.add(key)
            if not event.ok:
                self._failed.add(key)
                if key in self._fills:
                    self._move(self._fills[key], -1)
        elif isinstance(event, MarketResolved) and event.market in tokens and tokens[event.market][0] not in self._payouts:
            for token, payout in zip(tokens[event.market], (event.payout_yes, ONE - event.payout_yes), strict=True):
                self._payouts[token] = Price(payout)
                self.cash += gets(payout, self.shares.pop(token, 0))

    def _fill(self, event: OrderFilled, place: Place) -> None:
        key = (event.trade, event.order)
        if key in self._fills:
            return
        charged = event.fee + event.adverse
        if place.side is Side.BUY:
            fill = Booked(place.token, event.size, -(event.worth or pays(event.price, event.size)) - charged)
        else:
            fill = Booked(place.token, -event.size, (event.worth or gets(event.price, event.size)) - charged)
        self._fills[key] = fill
        if key not in self._failed:
            self._move(fill, 1)

    def _move(self, fill: Booked, sign: int) -> None:
        self.cash += sign * fill.cash
        payout = self._payouts.get(fill.token)
        if payout is not None:
            self.cash += gets(payout, sign * fill.shares)
        else:
            self.shares[fill.token] = self.shares.get(fill.token, 0) + sign * fill.shares


class Invariants:
    """The checks of one run. `Broken` is raised by `after`, and by `quiet` once everything has come to rest."""

    def __init__(self, engine: Engine, matching: Matching, position_holds: bool) -> None:
        """`position_holds`: no fill fails and the limit stays, so that even the venue's truth never passes the position limit."""
        self._state = engine.state
        self._engine = engine
        self._matching = matching
        self._position_holds = position_holds
        self._ledger = Ledger(engine.state.portfolio.initial)
        self._placed: dict[int, Place] = {}
        self._filled: dict[int, int] = {}
        self._done: dict[int, Order] = {}
        self._tokens: dict[str, tuple[str, str]] = {}
        self._flattened: set[str] = set()
        """Markets that the operator flattened since the last kill."""
        self._phase = "ok"
        self.steps = 0
        self.kills_verified = 0

    def after(self, event: Event, commands: list[Command]) -> None:
        """Check everything after one step."""
        self.steps += 1
        self._learn(event)
        places = [command for command in commands if isinstance(command, Place)]
        for place in places:
            self._left(place)
        if places:
            self._caps(places)
        self._ledger.hear(event, self._placed, self._tokens)
        self._money()
        self._orders(event)
        self._totals()
        self._truth()
        self._kill(event, commands)
        if isinstance(event, Ticked):
            self._pulled(event)
        if self.steps % SNAPSHOT_EVERY == 0 or isinstance(event, _MATTERS):
            self._snapshot()

    def quiet(self) -> None:
        """Everything has come to rest: the desk and the venue must agree to the micro-dollar, and nothing may rest or be owed."""
        state, matching = self._state, self._matching
        _hold(not state.live, "nothing is left alive at the end", f"the desk still has {list(state.live.values())}")
        _hold(not matching.resting(), "nothing is left alive at the end", f"the venue still has {matching.resting()}")
        _hold(state.kill.phase != "killing", "a kill is verified in the end", f"asked {state.kill.asks} times")
        owed = [key for key, fill in state.portfolio.fills.items() if fill.status == "MATCHED"]
        _hold(not owed, "every fill is settled in the end", str(owed))
        ours = {token: held.shares for token, held in state.portfolio.holdings.items() if held.shares}
        _same(ours, matching.positions, "the desk's positions are the venue's in the end")
        _same(state.portfolio.cash, matching.cash, "the desk's cash is the venue's in the end")
        _same(state.account_misses, 0, "the account matches in the end")

    # what was learned

    def _learn(self, event: Event) -> None:
        if isinstance(event, MarketListed):
            self._tokens.setdefault(event.market.id, (event.market.yes, event.market.no))
        elif isinstance(event, Flattened):
            self._flattened.update([event.market] if event.market else self._state.markets)

    # what leaves

    def _left(self, place: Place) -> None:
        """One order at the moment it leaves."""
        state, said = self._state, str(place)
        _hold(place.order > max(self._placed, default=0), "order numbers only grow", said)
        self._placed[place.order] = place
        order = state.live.get(place.order)
        _hold(order is not None and order.status is Status.SENT, "an order is SENT when it leaves", f"{said} {order}")
        market = state.markets[place.market]
        tick = market.book.tick
        _hold(place.price % tick == 0 and tick <= place.price <= ONE - tick, "an order is on the grid", f"{said} tick {tick}")
        enough = place.size >= max(LOT, market.market.min_size) and place.size % LOT == 0
        _hold(enough, "an order has at least the minimum size, in lots", f"{said} minimum {market.market.min_size}")
        _hold(not market.over, "no order goes to a market that is over", said)
        if place.kind is Kind.POST_ONLY:
            self._wished(place, market)
        else:
            _hold(market.exiting is not None, "only a flatten takes", said)
            _hold(place.side is Side.SELL, "a flatten sells what is held", said)
        _hold(not state.ending, "nothing is placed once the run ends", said)
        if state.kill.stopped:
            flattens = place.kind is Kind.IOC and place.market in self._flattened
            _hold(flattens, "after a kill nothing is placed but the operator's flatten", said)
            _hold(state.kill.phase != "killing", "nor that before the kill is verified", said)
        for other in market.live.values():
            if other.id != place.order:
                self._beside(place, other, market)

    def _wished(self, place: Place, market: MarketState) -> None:
        """A resting order serves a wish that nobody holds, in a market that no guard holds."""
        said = str(place)
        why = hold_reason(self._state, market)
        _hold(not why, "nothing is quoted while a guard holds", f"{said}: {why}")
        _hold(market.exiting is None, "nothing is quoted while flattening", said)
        wishes = [quote for quote in market.quotes if not quote.held]
        served = any(
            (wish.token, wish.side, wish.price, wish.size, wish.kind) == (place.token, place.side, place.price, place.size, place.kind)
            for wish in wishes
        )
        _hold(served, "what is held is never sent", f"{said} among {market.quotes}")

    def _beside(self, place: Place, other: Order, market: MarketState) -> None:
        same = (other.token, other.side, other.price) == (place.token, place.side, place.price)
        _hold(not (same and other.status is Status.UNCERTAIN), "nothing is placed at an uncertain order's price", f"{place} beside {other}")
        if not other.rest:
            return
        bid, price = _in_yes(place.token, place.side, place.price, market)
        other_bid, at = _in_yes(other.token, other.side, other.price, market)
        crosses = bid != other_bid and (price >= at if bid else at >= price)
        _hold(not crosses, "own orders never cross", f"{place} beside {other}")

    def _caps(self, places: list[Place]) -> None:
        """After orders left, all that may still fill at its worst is within every cap."""
        state, risk = self._state, self._state.knobs.risk
        # A flatten is free of this one: it closes a position, never rests, and must not wait for the orders of other markets.
        rests = any(place.kind is Kind.POST_ONLY for place in places)
        _hold(not rests or len(state.live) <= risk.max_open_orders, "open orders", f"{len(state.live)} of {risk.max_open_orders}: {places}")
        for place in places:
            market = state.markets[place.market]
            room, terms = room_of(market.market, market.live.values()), market.market
            net = state.portfolio.shares(terms.yes) - state.portfolio.shares(terms.no)
            limit = int(state.knobs.shape.max_position_size * 1_000_000)
            rises = (place.token == terms.yes) is (place.side is Side.BUY)
            worst = net + room.up if rises else room.down - net
            _hold(worst <= limit, "position limit", f"{worst} of {limit} after {place}")
            if place.side is Side.SELL:
                held = state.portfolio.holding(place.token)
                selling = room.selling_yes if place.token == terms.yes else room.selling_no
                _hold(held.shares - held.pending >= selling, "nothing is sold that is not owned", f"{held} against {selling} after {place}")
                continue
            rooms = {m.market.id: room_of(m.market, m.live.values()).reserved for m in state.markets.values()}
            costs = {m.market.id: state.cost(m) + rooms[m.market.id] for m in state.markets.values()}
            kin = [m.market.id for m in state.markets.values() if m.market.cluster == terms.cluster]
            equity = max(0, state.capital)
            _hold(sum(rooms.values()) <= state.portfolio.cash, "cash", f"{rooms} of {state.portfolio.cash} after {place}")
            for name, cost, pct in (
                ("market cap", costs[terms.id], risk.max_market_pct),
                ("cluster cap", sum(costs[one] for one in kin), risk.max_cluster_pct),
                ("total cap", sum(costs.values()), risk.max_total_pct),
            ):
                _hold(cost * 100 <= equity * pct, name, f"{cost} of {pct} % of {equity} after {place}")

    # what is known

    def _money(self) -> None:
        """Cash and shares are those of the ledger, and no cent appears or disappears."""
        portfolio, ledger = self._state.portfolio, self._ledger
        _same(portfolio.cash, ledger.cash, "cash is what the facts say")
        cost = 0
        for token, held in portfolio.holdings.items():
            cost += held.cost
            if held.shares != ledger.shares.get(token, 0):
                _same(held.shares, ledger.shares.get(token, 0), f"shares are what the facts say ({token})")
            if not 0 <= held.pending <= held.shares:
                raise Broken("shares held and pending make sense", f"{token} {held}")
            if not 0 <= held.cost <= held.shares:
                raise Broken("shares cost between nothing and a dollar", f"{token} {held}")
        for token, shares in ledger.shares.items():
            if shares and token not in portfolio.holdings:
                raise Broken("shares are what the facts say", f"{token}: the desk has none of {shares}")
        left = portfolio.cash + cost + portfolio.fees + portfolio.adverse - portfolio.initial - portfolio.realised
        _same(left, 0, "cash + cost + fees + adverse = initial + realised")

    def _orders(self, event: Event) -> None:
        """No order leaves a terminal state, none fills beyond its size, none is lost."""
        state = self._state
        _same(state.foreign, 0, "no order is foreign at a venue that has only ours")
        for number, order in state.live.items():
            if number in self._done or order.status is Status.DONE:
                raise Broken("no order leaves a terminal state", f"{order}")
            filled = self._filled.get(number, 0)
            if order.filled != filled:
                if not filled < order.filled <= self._placed[number].size:
                    raise Broken("an order fills at most its size", f"{order} after {filled}")
                self._filled[number] = order.filled
        if len(state.live) + len(self._done) != len(self._placed):
            for number in self._placed.keys() - state.live.keys() - self._done.keys():
                ended = state.finished.get(number)
                _hold(ended is not None and ended.status is Status.DONE, "an order that left is DONE", f"{number} {ended}")
                if ended is not None:
                    self._done[number] = ended
        if isinstance(event, OrderFilled) and event.order in self._done:
            order = self._done[event.order]
            _hold(order.status is Status.DONE, "no order leaves a terminal state", f"{order}")
            _hold(order.filled <= self._placed[order.id].size, "an order fills at most its size", f"{order}")

    def _totals(self) -> None:
        """The sums that are carried along are those that a recount gives."""
        state = self._state
        reserved = committed = alive = 0
        for market in state.markets.values():
            alive += len(market.live)
            room = room_of(market.market, market.live.values())
            if market.room != room:
                raise Broken("room is what the live orders may still do", f"{market.name}: {market.room} for {room}")
            reserved += room.reserved
            committed += room.reserved + state.cost(market)
        if (reserved, committed, alive) != (state.reserved, state.committed, len(state.live)):
            kept = (state.reserved, state.committed, len(state.live))
            raise Broken("totals are the sums of the markets", f"{kept} for {(reserved, committed, alive)}")

    def _truth(self) -> None:
        """The venue's own account, and what it has resting: the desk counts all of it."""
        matching, state = self._matching, self._state
        account, held = matching.account, 0
        for resting in matching.resting():
            order = state.live.get(resting.id)
            if order is None:
                raise Broken("what rests at the venue is alive for the desk", f"{resting}, here {self._done.get(resting.id)}")
            if order.rest < resting.rest:
                raise Broken("the desk counts an order at its worst", f"{order} for {resting}")
            held += resting.held if resting.side is Side.BUY else 0
        if not 0 <= held == account.reserved <= account.cash:
            raise Broken("the venue lends nothing", f"cash {account.cash}, reserved {account.reserved}, held {held}")
        for token, shares in account.positions.items():
            if shares < 0 or account.sellable(token) < 0:
                raise Broken("the venue sells nothing that is not owned", f"{token}: {shares}, sellable {account.sellable(token)}")
        if self._position_holds:
            limit = int(state.knobs.shape.max_position_size * 1_000_000)
            for market in state.markets.values():
                net = account.positions.get(market.market.yes, 0) - account.positions.get(market.market.no, 0)
                if abs(net) > limit:
                    raise Broken("the true position is within its limit", f"{market.name}: {net} of {limit}")

    def _kill(self, event: Event, commands: list[Command]) -> None:
        """A kill cancels all at once; verified, nothing rests at the venue; and it comes only for cause."""
        switch, matching = self._state.kill, self._matching
        if switch.phase == self._phase == "ok":
            return
        if switch.stopped and self._phase not in ("killing", "killed"):
            _hold(any(isinstance(command, CancelAll) for command in commands), "a kill cancels all at once", f"{commands}")
            _hold(not any(isinstance(command, Place) for command in commands), "a kill only cancels", f"{commands}")
            failed = len(self._state.failed) > self._state.knobs.risk.failed_trades_max
            cause = isinstance(event, Killed) or switch.why.startswith("drawdown") or failed
            _hold(cause, "a desk whose account is exact kills only for a drawdown, failed trades or an operator", switch.why)
            self._flattened.clear()
        if switch.phase == "killed":
            self.kills_verified += self._phase != "killed"
            resting = [one for one in matching.resting() if one.market not in self._flattened]
            _hold(not resting, "a verified kill: nothing rests at the venue", f"{resting}")
        self._phase = switch.phase

    def _pulled(self, event: Ticked) -> None:
        """After each tick no quote rests, as far as the desk can help it, where a guard, the market's end or the kill switch forbids,
        and the kill switch has looked at the drawdown."""
        state = self._state
        pct = drawdown(state.kill, state.equity_now, state.knobs.kill)[1]
        if pct >= state.knobs.kill.kill_switch_max_drawdown_pct and not state.kill.stopped:
            raise Broken("a drawdown at its limit kills at the next tick", f"{pct} %")
        for market in state.markets.values():
            closes = market.market.closes
            ends = closes and closes - event.at <= state.knobs.risk.stop_before_close_s * 1e9
            why = hold_reason(state, market) or ("the market ends" if ends else "") or ("killed" if state.kill.stopped else "")
            if why:
                for order in market.live.values():
                    if order.status in (Status.OPEN, Status.SENT) and order.kind is Kind.POST_ONLY:
                        raise Broken("quotes are pulled at once where they may not rest", f"{why}: {order}")

    def _snapshot(self) -> None:
        """What a face sees can be drawn, and its numbers are numbers."""
        snapshot = self._engine.snapshot()
        for row in snapshot.markets:
            finite = isfinite(row.sigma) and row.sigma > 0
            if self._state.markets[row.id].book.two_sided:
                finite = finite and isfinite(row.mid) and isfinite(row.micro) and isfinite(row.imbalance)
            if any(not quote.held for quote in row.quotes):
                finite = finite and isfinite(row.fair) and isfinite(row.centre) and isfinite(row.half_spread)
            _hold(finite, "a snapshot's numbers are numbers", str(row))
        _hold(isfinite(snapshot.money.drawdown_pct), "a snapshot's numbers are numbers", str(snapshot.money))
        _same(len(snapshot.orders), len(self._state.live), "a snapshot shows every live order")


def _in_yes(token: str, side: Side, price: int, market: MarketState) -> tuple[bool, int]:
    """Whether an order bids in YES terms, and its YES price."""
    return ((side is Side.BUY), price) if token == market.market.yes else ((side is Side.SELL), ONE - price)


def _hold(holds: bool, invariant: str, found: str) -> None:
    if not holds:
        raise Broken(invariant, found)


def _same(found: object, wanted: object, invariant: str) -> None:
    if found != wanted:
        raise Broken(invariant, f"{found} for {wanted}")
