"""What must hold of the production desk against the exchange: after every step, and once all is quiet."""

from msgspec import Struct, field

from pmm_tui.core.commands import Command, Place
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event, ExternalFilled, FillSettled, OrderSigned, PositionFound
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.room import room_of
from pmm_tui.core.units import DOLLAR, ONE
from pmm_tui.exchange.matching import Matching
from pmm_tui.record.invariants import Broken


class Checks(Struct):
    """The desk's books against the exchange's. `aside`: micro-dollars of the wallet that are not the desk's."""

    engine: Engine
    matching: Matching
    wallet: str
    aside: int
    ids: dict[str, int] = field(default_factory=dict)
    """The desk's number of every signed order, by the venue's id."""
    foreign: set[str] = field(default_factory=set)
    """Orders of the same wallet that somebody placed by hand."""
    kills_verified: int = 0
    moved: bool = False
    """Something but the desk's own orders moved a position."""
    _phase: str = "ok"
    _placed: set[int] = field(default_factory=set)

    def after(self, event: Event, commands: list[Command]) -> None:
        """One step was taken."""
        state = self.engine.state
        if isinstance(event, OrderSigned):
            _hold(event.order not in self.ids.values(), "an order is signed once", str(event))
            self.ids[event.venue_id] = event.order
        self.moved |= isinstance(event, ExternalFilled | PositionFound) or (isinstance(event, FillSettled) and not event.ok)
        for command in commands:
            if isinstance(command, Place):
                self._left(command)
        if state.kill.phase == "killed" and self._phase != "killed":
            self.kills_verified += 1
            _hold(not self._resting(), "a verified kill: nothing of ours rests", str(self._resting()))
        self._phase = state.kill.phase
        for name in self._resting():
            _hold(self.ids[name] in state.live, "what rests at the exchange is alive for the desk", f"{name}, order {self.ids[name]}")

    def quiet(self) -> None:
        """No trouble, nothing under way: both books are the same to the micro-dollar."""
        state, matching = self.engine.state, self.matching
        _hold(not self._resting() and not state.live, "nothing rests in the end", f"{self._resting()} {list(state.live)}")
        for market, pit in matching.markets.items():
            if pit.payout is not None:
                matching.redeem(self.wallet, market)
        ours = {token: held.shares for token, held in state.portfolio.holdings.items() if held.shares}
        theirs = {token: held for token, held in matching.wallet(self.wallet).shares.items() if held}
        _hold(ours == theirs, "the desk's shares are the exchange's", f"{ours} for {theirs}")
        cash = matching.cash(self.wallet) - self.aside
        _hold(state.portfolio.cash == cash, "the desk's cash is the exchange's", f"{state.portfolio.cash} for {cash}")

    def ended(self) -> None:
        """The run is over."""
        _hold(not self._resting(), "after the end nothing rests", str(self._resting()))

    def _resting(self) -> list[str]:
        found = []
        for order in self.matching.open_orders(self.wallet):
            if order.id in self.foreign:
                continue
            _hold(order.id in self.ids, "every order at the exchange was written down before it left", order.id)
            found.append(order.id)
        return found

    def _left(self, place: Place) -> None:
        state, said = self.engine.state, str(place)
        market = state.markets[place.market]
        _hold(place.order not in self._placed, "an order is placed once", said)
        self._placed.add(place.order)
        down = [name for name, link in state.links.items() if not link.up]
        _hold(not down, "nothing is placed while a link is down", f"{said}: {down}")
        _hold(not state.ending, "nothing is placed once the run ends", said)
        _hold(state.kill.phase != "killing", "nothing at all is placed before a kill is verified", said)
        flattens = place.kind is Kind.IOC and place.side is Side.SELL
        _hold(not state.kill.stopped or flattens, "after a kill nothing is placed but a flatten", said)
        tick = market.book.tick
        _hold(place.price % tick == 0 and tick <= place.price <= ONE - tick, "an order is on the grid", f"{said} tick {tick}")
        yes = market.market.yes
        bid, price = _in_yes(place.token == yes, place.side, place.price)
        for other in market.live.values():
            other_bid, at = _in_yes(other.token == yes, other.side, other.price)
            crosses = other.id != place.order and other.rest and bid != other_bid and (price >= at if bid else at >= price)
            _hold(not crosses, "own orders never cross", f"{said} beside {other}")
        room = room_of(market.market, [*market.live.values(), *market.external])
        net = state.portfolio.shares(yes) - state.portfolio.shares(market.market.no)
        limit = int(state.knobs.shape.max_position_size * DOLLAR)
        worst = net + room.up if bid else room.down - net
        _hold(self.moved or worst <= limit, "position limit", f"{worst} of {limit} after {said}")
        _hold(state.reserved <= state.portfolio.cash, "cash", f"{state.reserved} of {state.portfolio.cash} after {said}")


def _in_yes(is_yes: bool, side: Side, price: int) -> tuple[bool, int]:
    """Whether an order bids in YES terms, and its YES price."""
    return (side is Side.BUY, price) if is_yes else (side is Side.SELL, ONE - price)


def _hold(holds: bool, invariant: str, found: str) -> None:
    if not holds:
        raise Broken(invariant, found)
