"""What made-up participants trade about: a probability that nobody but the informed sees, and a BTC price that decides the up/down markets.

Both are martingales: a price is never expected to go anywhere, so whoever earns by it knew something or was paid for waiting.
"""

from math import erf, exp, expm1, log, sqrt
from typing import TYPE_CHECKING, Protocol

from pmm_tui.core.units import DOLLAR, Cash

if TYPE_CHECKING:
    from random import Random

YEAR_S = 31_557_600
_HERMITE = ((1.355626179974, 0.222075922005), (2.856970013872, 0.011257411328))
"""Gauss-Hermite nodes and weights, five points for a standard normal: of each pair of signs one, and without zero, where nothing moves."""


class Truth(Protocol):
    """What a market's YES share is worth."""

    @property
    def probability(self) -> float:
        """Of YES, now."""
        ...

    def step(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def outcome(self) -> bool:
        """The result, drawn or read at the end: whether YES won."""
        ...


def drift(probability: float, sigma: float, jumps: float, jump: float) -> float:
    """The drift of the logit per second under which its probability is a martingale (math M3, arXiv:2510.15205).

    `-(1-2p) sigma^2 / 2` for the diffusion of `sigma` per square root of a second, and for `jumps` a second of N(0, jump^2) the mean of
    `(S(x+z) - S(x)) / S'(x)`, which is `(e^z - 1) / (1 + p (e^z - 1))`.
    """
    leap = 0.0
    for node, weight in _HERMITE if jumps else ():
        for move in (expm1(node * jump), expm1(-node * jump)):
            leap += weight * move / (1 + probability * move)
    return -(1 - 2 * probability) * sigma * sigma / 2 - jumps * leap


class Latent:
    """A logit that diffuses and jumps, with the drift that makes its probability a martingale; the result is drawn by the last one."""

    def __init__(self, chance: "Random", logit: float, sigma: float, jumps: float, jump: float) -> None:
        self.logit = logit
        self._chance = chance
        self._sigma = sigma
        self._jumps = jumps
        self._jump = jump

    @property
    def probability(self) -> float:
        """Of YES, now."""
        return 1.0 / (1.0 + exp(-self.logit)) if self.logit >= 0 else exp(self.logit) / (1.0 + exp(self.logit))

    def step(self, seconds: float) -> None:
        """Let time pass."""
        moved = drift(self.probability, self._sigma, self._jumps, self._jump) * seconds
        moved += self._chance.gauss(0.0, self._sigma * sqrt(seconds))
        if self._chance.random() < self._jumps * seconds:
            moved += self._chance.gauss(0.0, self._jump)
        self.logit += moved

    def outcome(self) -> bool:
        """Drawn with the last probability."""
        return self._chance.random() < self.probability


class Reference:
    """BTC in dollars: a geometric Brownian motion of `sigma` per square root of a year, a martingale."""

    def __init__(self, chance: "Random", dollars: float, sigma: float) -> None:
        self.dollars = dollars
        self.sigma = sigma
        self._chance = chance

    @property
    def price(self) -> Cash:
        """Now, micro-dollars."""
        return Cash(round(self.dollars * DOLLAR))

    def step(self, seconds: float) -> None:
        """Let time pass."""
        deviation = self.sigma * sqrt(seconds / YEAR_S)
        self.dollars *= exp(self._chance.gauss(0.0, deviation) - deviation * deviation / 2)


class UpDown:
    """Whether BTC ends at or above where it stood when the market opened. The reference is stepped by its owner, once for all markets."""

    def __init__(self, reference: Reference, seconds: float) -> None:
        self.strike = reference.dollars
        self._reference = reference
        self._left = seconds

    @property
    def probability(self) -> float:
        """P(up) = Phi(d2), d2 = [ln(S/K) - sigma^2 tau/2] / (sigma sqrt(tau)) (math M16)."""
        deviation = self._reference.sigma * sqrt(max(0.0, self._left) / YEAR_S)
        if not deviation:
            return 1.0 if self.outcome() else 0.0
        d2 = log(self._reference.dollars / self.strike) / deviation - deviation / 2
        return 0.5 * (1.0 + erf(d2 / sqrt(2)))

    def step(self, seconds: float) -> None:
        """Let time pass."""
        self._left -= seconds

    def outcome(self) -> bool:
        """Read from the reference."""
        return self._reference.dollars >= self.strike
