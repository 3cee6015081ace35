"""Made-up participants, seeded: somebody who knows the probability, somebody who does not, and makers who compete for both.

Each has a purse of its own and trades only what it can pay: an ask without shares is a buy of the complement, pairs become dollars again,
and at the end of a market every purse is redeemed. To the exchange they are participants whose money nobody counts; among themselves not a
micro-dollar is made or lost. What a taker gets after a delay, and a trade that fails on the chain, their purses do not hear of.
"""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from pmm_tui.core.market import Fees, Market, Side
from pmm_tui.core.units import (
    DOLLAR,
    LOT,
    MILLI,
    ONE,
    SECOND,
    SHARE,
    Cash,
    Nanos,
    Price,
    Size,
    ceil_tick,
    floor_lot,
    floor_tick,
    gets,
    mirror,
    pays,
)
from pmm_tui.exchange.latent import Latent, Reference, Truth, UpDown
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, Order
from pmm_tui.exchange.wallets import Wallet

if TYPE_CHECKING:
    from random import Random

MAKER, NOISE, INFORMED = "crowd-maker", "crowd-noise", "crowd-informed"
STEP_NS = 100 * MILLI
STEP_S = STEP_NS / SECOND
LASTS_NS = 900 * SECOND
_BUY, _SELL = Side.BUY, Side.SELL


class AgentKnobs(Struct, frozen=True):
    """The made-up crowd. Rates are means of what is drawn at each step of 100 ms."""

    logit_sigma: Annotated[float, Meta(ge=0, le=1, description="diffusion of the latent logit per square root of a second")] = 0.02
    jumps_per_s: Annotated[float, Meta(ge=0, le=1, description="jumps of the latent logit a second")] = 0.01
    jump_logit: Annotated[float, Meta(ge=0, le=3, description="standard deviation of a jump, logit")] = 0.3
    start_logit: Annotated[float, Meta(ge=0, le=3, description="standard deviation of the logit that a market opens with")] = 0.4
    up_down_share: Annotated[float, Meta(ge=0, le=1, description="part of the markets that BTC decides")] = 0.3
    btc_usd: Annotated[float, Meta(ge=1, le=1e9, description="BTC at the beginning, dollars")] = 60_000.0
    btc_sigma_per_sqrt_year: Annotated[float, Meta(gt=0, le=5, description="volatility of BTC, per square root of a year")] = 0.45
    makers: Annotated[int, Meta(ge=0, le=20, description="competing makers")] = 3
    maker_quotes_per_s: Annotated[float, Meta(ge=0, le=10, description="a maker looks at its quotes this often a second")] = 1.2
    maker_follows: Annotated[float, Meta(gt=0, le=1, description="part of the way to what it sees that its belief moves at a look")] = 0.5
    maker_error: Annotated[float, Meta(ge=0, le=0.2, description="standard deviation of what it sees around the truth, dollars")] = 0.003
    maker_half_spread: Annotated[float, Meta(ge=0, le=0.2, description="half of the first one's spread, dollars; others wider")] = 0.005
    maker_skew: Annotated[float, Meta(ge=0, le=0.5, description="a maker with its most shares quotes this much lower, dollars")] = 0.02
    maker_shares_max: Annotated[int, Meta(ge=1, le=1_000_000, description="shares held either way beyond which it quotes one side")] = 800
    maker_levels: Annotated[int, Meta(ge=1, le=20, description="levels a side")] = 4
    maker_size_max: Annotated[int, Meta(ge=11, le=100_000, description="largest order of the first level, shares; n-th: n times")] = 50
    noise_per_s: Annotated[float, Meta(ge=0, le=10, description="trades of those who know nothing, a second")] = 0.7
    noise_shares: Annotated[float, Meta(gt=0, le=100_000, description="mean size of such a trade, shares; exponential")] = 25.0
    informed_per_s: Annotated[float, Meta(ge=0, le=10, description="looks of those who know, a second")] = 0.8
    informed_edge: Annotated[float, Meta(ge=0, le=0.5, description="they take what is off by more than this, dollars a share")] = 0.01
    informed_error: Annotated[float, Meta(ge=0, le=0.2, description="standard deviation of what they see of the truth, dollars")] = 0.004
    informed_shares: Annotated[int, Meta(ge=1, le=100_000, description="largest size of such a trade, shares")] = 40
    purse_usd: Annotated[int, Meta(ge=1, le=1_000_000_000, description="what each one has when a market opens, dollars")] = 5_000
    quits_s: Annotated[float, Meta(ge=0.1, le=600, description="all cancel and stop this long before a market closes, seconds")] = 2.0


class Trader:
    """One participant: its name at the exchange, and its purse for the market that is open."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.purse = Wallet(name)
        self.earned = 0
        """Over all markets that are decided, micro-dollars."""
        self._count = 0

    def begin(self, dollars: int) -> None:
        """A market opens."""
        self.purse = Wallet(self.name)
        self.purse.cash = Cash(dollars * DOLLAR)

    def end(self, market: Market, payout_yes: Price, dollars: int) -> None:
        """It is decided: shares become what they pay."""
        self.purse.redeem(market, payout_yes)
        self.earned += self.purse.cash - dollars * DOLLAR

    def held(self, market: Market) -> int:
        """Micro-shares of YES over those of NO."""
        return self.purse.shares.get(market.yes, 0) - self.purse.shares.get(market.no, 0)

    def order(self, market: Market, token: str, side: Side, price: Price, size: Size, lasts: Lasts, at: Nanos) -> Order:
        """The next order."""
        self._count += 1
        return Order(f"{self.name}-{self._count}", self.name, "", market.id, token, side, price, size, lasts, lasts is Lasts.GTC, at)

    def traded(self, order: Order, cash: int, size: int) -> None:
        """An order gave or got dollars for shares."""
        sign = 1 if order.side is _BUY else -1
        self.purse.move(-sign * cash, order.token, sign * size)

    def merge(self, market: Market) -> None:
        """Every pair that no resting order promised becomes a dollar."""
        pairs = min(self.purse.free_shares(market.yes), self.purse.free_shares(market.no))
        if pairs > 0:
            self.purse.merge(market, Size(pairs))


class Taker(Trader):
    """Takes what it reaches, and rests nothing."""

    def take(self, matching: Matching, market: Market, side: Side, limit: Price, size: int, at: Nanos) -> None:
        """Buy or sell YES, within the purse: who has no YES to sell buys NO."""
        token, price, way = market.yes, limit, side
        if side is _SELL and self.purse.shares.get(market.yes, 0) >= size:
            pass
        elif side is _SELL:
            token, price, way = market.no, mirror(limit), _BUY
        if way is _BUY:
            size = min(size, self.purse.cash * ONE // price)
        size = floor_lot(size)
        if size < LOT:
            return
        order = self.order(market, token, way, price, Size(size), Lasts.FAK, at)
        placed = matching.place(order, at)
        given, got = placed.making, placed.taking
        self.traded(order, *((given, got) if way is _BUY else (got, given)))
        self.merge(market)


class Maker(Trader):
    """Shows a ladder around what it believes, leaning away from what it holds; an order that is still wanted keeps its place."""

    def __init__(self, name: str, knobs: AgentKnobs, wider: float) -> None:
        super().__init__(name)
        self.believed = 0.5
        self._knobs = knobs
        self._half = knobs.maker_half_spread * wider
        self._resting: dict[tuple[Side, Price], tuple[Order, int]] = {}
        """By side and price of YES: the order, and how much of it is in the purse already."""

    def look(self, matching: Matching, market: Market, chance: "Random", truth: float, at: Nanos) -> None:
        """Count what was filled, believe a little more of what it sees, and move the quotes there."""
        self.count()
        knobs = self._knobs
        self.believed += knobs.maker_follows * (truth + chance.gauss(0.0, knobs.maker_error) - self.believed)
        bid, ask = self._touch(market, matching.tick(market.id))
        self._cancel(matching, [(side, price) for side, price in self._resting if (price >= ask if side is _BUY else price <= bid)], at)
        wanted = self._wanted(matching, market, bid, ask)
        self._cancel(matching, [key for key in self._resting if key not in wanted], at)
        self._pledge()
        self.merge(market)
        for (side, price), level in wanted.items():
            if (side, price) not in self._resting:
                size = Size(chance.randrange(10, knobs.maker_size_max) * level * SHARE)
                self._rest(matching, market, side, price, size, at)

    def leave(self, matching: Matching, market: Market, at: Nanos) -> None:
        """Cancel everything."""
        self.count()
        matching.cancel([order.id for order, _ in self._resting.values()], self.name, at)
        self._resting.clear()

    def count(self) -> None:
        """Put into the purse what was filled since the last time, and forget what rests no more."""
        for key, (order, counted) in list(self._resting.items()):
            if fresh := order.matched - counted:
                self.traded(order, pays(order.price, fresh) if order.side is _BUY else gets(order.price, fresh), fresh)
                self._resting[key] = (order, order.matched)
            if order.status != "LIVE":
                del self._resting[key]

    def _cancel(self, matching: Matching, keys: list[tuple[Side, Price]], at: Nanos) -> None:
        matching.cancel([self._resting.pop(key)[0].id for key in keys], self.name, at)

    def _touch(self, market: Market, tick: Price) -> tuple[Price, Price]:
        """Where its best bid and ask belong, for all it believes and holds."""
        centre = self.believed - self._knobs.maker_skew * self.held(market) / (self._knobs.maker_shares_max * SHARE)
        return floor_tick(int((centre - self._half) * ONE), tick), ceil_tick(int((centre + self._half) * ONE) + 1, tick)

    def _wanted(self, matching: Matching, market: Market, bid: Price, ask: Price) -> dict[tuple[Side, Price], int]:
        """The levels to show, best first, with their number: never through what others show, and one side only where it holds too much."""
        tick, ladder, most = matching.tick(market.id), matching.markets[market.id].ladder, self._knobs.maker_shares_max * SHARE
        over, under, held = ladder.best(_SELL), ladder.best(_BUY), self.held(market)
        highest = min(bid, ONE - 2 * tick, over - tick if over is not None else ONE)
        lowest = max(ask, 2 * tick, under + tick if under is not None else 0)
        wanted: dict[tuple[Side, Price], int] = {}
        for level in range(self._knobs.maker_levels):
            for side, price, full in ((_BUY, highest - level * tick, held >= most), (_SELL, lowest + level * tick, held <= -most)):
                if tick <= price <= ONE - tick and not full:
                    wanted[side, Price(price)] = level + 1
        return wanted

    def _rest(self, matching: Matching, market: Market, side: Side, price: Price, size: Size, at: Nanos) -> None:
        """Show an order at a price of YES that the purse covers: shares where it holds them, else a buy of the other token."""
        bought, sold = (market.yes, market.no) if side is _BUY else (market.no, market.yes)
        token, way = (sold, _SELL) if self.purse.free_shares(sold) >= size else (bought, _BUY)
        own = price if token == market.yes else mirror(price)
        if way is _BUY and self.purse.cash - self.purse.active(market.id, True) < pays(own, size):
            return
        order = self.order(market, token, way, own, size, Lasts.GTC, at)
        if not matching.place(order, at).error:
            self._resting[side, price] = (order, 0)
            self._hold(order)

    def _pledge(self) -> None:
        """What the resting orders may take of the purse, added up anew."""
        self.purse.reserved.clear()
        self.purse.promised.clear()
        for order, _ in self._resting.values():
            self._hold(order)

    def _hold(self, order: Order) -> None:
        if order.side is _BUY:
            self.purse.reserve(order.market, pays(order.price, order.rest))
        else:
            self.purse.promise(order.token, order.rest)


class Agents:
    """One market after another, each with its crowd. Acts every 100 ms of the exchange's time."""

    def __init__(
        self, matching: Matching, chance: "Random", now: Nanos, lasts_ns: int = LASTS_NS, knobs: AgentKnobs | None = None
    ) -> None:
        self.knobs = knobs = knobs or AgentKnobs()
        self.makers = [Maker(f"{MAKER}-{number + 1}", knobs, 1 + number / 2) for number in range(knobs.makers)]
        self.noise = Taker(NOISE)
        self.informed = Taker(INFORMED)
        self.traders: list[Trader] = [*self.makers, self.noise, self.informed]
        for trader in self.traders:
            matching.unlimited(trader.name)
        self.reference = Reference(chance, knobs.btc_usd, knobs.btc_sigma_per_sqrt_year)
        self._chance = chance
        self._lasts = lasts_ns
        self._number = 0
        self._at = now
        self._quit = False
        self._open(matching, now)

    def btc(self) -> Cash:
        """The reference price now, micro-dollars."""
        return self.reference.price

    def act(self, matching: Matching, at: Nanos) -> Nanos:
        """Do what is due; when there is more."""
        while self._at <= at:
            self._turn(matching, self._at)
            self._at = Nanos(self._at + STEP_NS)
        return self._at

    def _open(self, matching: Matching, now: Nanos) -> None:
        self._number += 1
        chance, knobs = self._chance, self.knobs
        opens, closes = Nanos(now // SECOND * SECOND), Nanos((now + self._lasts) // SECOND * SECOND)
        up_down = chance.random() < knobs.up_down_share
        self.truth: Truth = (
            UpDown(self.reference, (closes - now) / SECOND)
            if up_down
            else Latent(chance, chance.gauss(0.0, knobs.start_logit), knobs.logit_sigma, knobs.jumps_per_s, knobs.jump_logit)
        )
        name = f"{chance.getrandbits(256):064x}"
        self.market = Market(
            id=f"0x{name}",
            slug=f"made-up-{self._number}",
            question=f"Bitcoin Up or Down ({self._number})?" if up_down else f"Will it happen ({self._number})?",
            yes=str(chance.getrandbits(250) | 1 << 249),
            no=str(chance.getrandbits(250) | 1 << 249),
            tick=Price(100),
            min_size=Size(5 * SHARE),
            outcomes=("Up", "Down") if up_down else ("Yes", "No"),
            opens=opens,
            closes=closes,
            fees=Fees(0.07, 1.0, 0.2),
        )
        self._quit = False
        matching.list_market(self.market, now)
        for trader in self.traders:
            trader.begin(knobs.purse_usd)
        for maker in self.makers:
            maker.believed = self.truth.probability
            maker.look(matching, self.market, chance, self.truth.probability, now)

    def _turn(self, matching: Matching, at: Nanos) -> None:
        self.reference.step(STEP_S)
        self.truth.step(STEP_S)
        if at >= self.market.closes:
            self._leave(matching, at)
            matching.resolve(self.market.id, ONE if self.truth.outcome() else Price(0), at)
            decided = matching.markets[self.market.id].payout
            for trader in self.traders:
                trader.end(self.market, decided or Price(0), self.knobs.purse_usd)
            self._open(matching, at)
        elif at >= self.market.closes - self.knobs.quits_s * SECOND or matching.markets[self.market.id].closed:
            self._leave(matching, at)
        else:
            self._trade(matching, at)

    def _leave(self, matching: Matching, at: Nanos) -> None:
        """Everybody cancels, once a market."""
        if not self._quit:
            self._quit = True
            for maker in self.makers:
                maker.leave(matching, self.market, at)

    def _trade(self, matching: Matching, at: Nanos) -> None:
        """Who looks, looks; the makers in their order."""
        chance, knobs, truth = self._chance, self.knobs, self.truth.probability
        for maker in self.makers:
            if chance.random() < knobs.maker_quotes_per_s * STEP_S:
                maker.look(matching, self.market, chance, truth, at)
        if chance.random() < knobs.noise_per_s * STEP_S:
            side = chance.choice((_BUY, _SELL))
            tick = matching.tick(self.market.id)
            size = max(LOT, int(chance.expovariate(1 / knobs.noise_shares) * SHARE))
            self.noise.take(matching, self.market, side, Price(ONE - tick) if side is _BUY else tick, size, at)
        if chance.random() < knobs.informed_per_s * STEP_S:
            self._inform(matching, truth + chance.gauss(0.0, knobs.informed_error), at)

    def _inform(self, matching: Matching, seen: float, at: Nanos) -> None:
        """Takes where the book is off by more than the edge from what it sees of the truth, up to that edge."""
        knobs, ladder, tick = self.knobs, matching.markets[self.market.id].ladder, matching.tick(self.market.id)
        bid, ask, size = ladder.best(_BUY), ladder.best(_SELL), knobs.informed_shares * SHARE
        highest = floor_tick(int((seen - knobs.informed_edge) * ONE), tick)
        lowest = ceil_tick(int((seen + knobs.informed_edge) * ONE) + 1, tick)
        if ask is not None and highest >= ask:
            self.informed.take(matching, self.market, _BUY, highest, size, at)
        elif bid is not None and lowest <= bid:
            self.informed.take(matching, self.market, _SELL, lowest, size, at)
