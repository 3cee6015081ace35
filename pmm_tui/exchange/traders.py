"""Made-up participants, seeded: somebody who knows the probability, somebody who does not, and makers who follow with a delay.

The true probability is a latent logit that diffuses and sometimes jumps (math.md, jump-diffusion in logits); BTC moves with it.
"""

from math import exp, sqrt
from typing import TYPE_CHECKING

from pmm_tui.core.market import Fees, Market, Side
from pmm_tui.core.units import LOT, MILLI, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, Order

if TYPE_CHECKING:
    from random import Random

MAKER, NOISE, INFORMED = "crowd-maker", "crowd-noise", "crowd-informed"
STEP_NS = 100 * MILLI
LASTS_NS = 900 * SECOND
DEPTH = 5
_BUY, _SELL = Side.BUY, Side.SELL


class Latent:
    """The truth: a logit with diffusion `sigma` per square root of a second and `jumps` a second of size `jump`."""

    def __init__(self, chance: "Random", sigma: float = 0.02, jumps: float = 0.01, jump: float = 0.3) -> None:
        self.logit = chance.gauss(0.0, 0.4)
        self.btc = 60_000.0
        self._chance = chance
        self._sigma = sigma
        self._jumps = jumps
        self._jump = jump

    @property
    def probability(self) -> float:
        """Of YES."""
        return 1.0 / (1.0 + exp(-self.logit))

    def step(self, seconds: float) -> None:
        """Let time pass."""
        moved = self._chance.gauss(0.0, self._sigma * sqrt(seconds))
        if self._chance.random() < self._jumps * seconds:
            moved += self._chance.gauss(0.0, self._jump)
        self.logit = max(-6.0, min(6.0, self.logit + moved))
        self.btc *= 1.0 + 0.001 * moved


class Agents:
    """One market after another, each with its crowd. Acts every 100 ms of the exchange's time."""

    def __init__(self, matching: Matching, chance: "Random", now: Nanos, lasts_ns: int = LASTS_NS) -> None:
        for wallet in (MAKER, NOISE, INFORMED):
            matching.unlimited(wallet)
        self._chance = chance
        self._lasts = lasts_ns
        self._count = 0
        self._number = 0
        self._at = now
        self._believed = 0.5
        self._quotes: list[str] = []
        self._open(matching, now)

    def btc(self) -> Cash:
        """The reference price now, micro-dollars."""
        return Cash(round(self.latent.btc * 1e6))

    def act(self, matching: Matching, at: Nanos) -> Nanos:
        """Do what is due; when there is more."""
        while self._at <= at:
            self._turn(matching, self._at)
            self._at = Nanos(self._at + STEP_NS)
        return self._at

    def _open(self, matching: Matching, now: Nanos) -> None:
        self._number += 1
        self.latent = Latent(self._chance)
        self._believed = self.latent.probability
        name = f"{self._chance.getrandbits(256):064x}"
        self.market = Market(
            id=f"0x{name}",
            slug=f"made-up-{self._number}",
            question=f"Will it happen ({self._number})?",
            yes=str(self._chance.getrandbits(250) | 1 << 249),
            no=str(self._chance.getrandbits(250) | 1 << 249),
            tick=Price(100),
            min_size=Size(5 * SHARE),
            opens=Nanos(now // SECOND * SECOND),
            closes=Nanos((now + self._lasts) // SECOND * SECOND),
            fees=Fees(0.07, 1.0, 0.2),
        )
        self._quotes = []
        matching.list_market(self.market, now)
        self._quote(matching, now)

    def _turn(self, matching: Matching, at: Nanos) -> None:
        self.latent.step(STEP_NS / SECOND)
        if at >= self.market.closes:
            won = self._chance.random() < self.latent.probability
            matching.resolve(self.market.id, Price(10_000 if won else 0), at)
            self._open(matching, at)
            return
        draw = self._chance.random()
        if draw < 0.35:
            self._believed += 0.5 * (self.latent.probability - self._believed)
            self._quote(matching, at)
        elif draw < 0.42:
            self._noise(matching, at)
        elif draw < 0.50:
            self._informed(matching, at)

    def _quote(self, matching: Matching, at: Nanos) -> None:
        """The makers show a ladder around what they believe, a tick or two wide."""
        tick = int(matching.tick(self.market.id))
        matching.cancel(self._quotes, MAKER, at)
        self._quotes = []
        fair = self._believed * 10_000
        half = self._chance.choice((1, 1, 2)) * tick / 2
        bid, ask = int((fair - half) // tick * tick), int(-(-(fair + half) // tick) * tick)
        for side, best, step in ((_BUY, min(bid, 10_000 - 2 * tick), -tick), (_SELL, max(ask, 2 * tick), tick)):
            for level in range(DEPTH):
                price = best + level * step
                if tick <= price <= 10_000 - tick:
                    size = self._chance.randrange(10, 80) * (level + 1) * SHARE
                    self._quotes.append(self._send(matching, MAKER, side, price, size, Lasts.GTC, at, post_only=True))

    def _noise(self, matching: Matching, at: Nanos) -> None:
        side = self._chance.choice((_BUY, _SELL))
        size = max(LOT, int(self._chance.expovariate(1 / 25) * 100) * LOT)
        self._send(matching, NOISE, side, 9_900 if side is _BUY else 100, size, Lasts.FAK, at)

    def _informed(self, matching: Matching, at: Nanos) -> None:
        """Takes where the book is off by more than a cent from what it sees of the truth."""
        seen = self.latent.probability + self._chance.gauss(0.0, 0.004)
        asks, bids = matching.levels(self.market.yes, _SELL), matching.levels(self.market.yes, _BUY)
        tick = int(matching.tick(self.market.id))
        if asks and seen * 10_000 > asks[0][0] + 100:
            self._send(matching, INFORMED, _BUY, int(seen * 10_000 - 100) // tick * tick, 40 * SHARE, Lasts.FAK, at)
        elif bids and seen * 10_000 < bids[0][0] - 100:
            self._send(matching, INFORMED, _SELL, -(-int(seen * 10_000 + 100) // tick) * tick, 40 * SHARE, Lasts.FAK, at)

    def _send(
        self, matching: Matching, wallet: str, side: Side, price: int, size: int, lasts: Lasts, at: Nanos, post_only: bool = False
    ) -> str:
        self._count += 1
        name = f"{wallet}-{self._count}"
        tick = int(matching.tick(self.market.id))
        price = max(tick, min(10_000 - tick, price))
        matching.place(Order(name, wallet, "", self.market.id, self.market.yes, side, Price(price), Size(size), lasts, post_only, at), at)
        return name
