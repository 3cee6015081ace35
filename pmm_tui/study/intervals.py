"""95 % intervals of single figures and of ratios between two desks, in closed form or by bisection: nothing is drawn by chance."""

import math
from collections.abc import Sequence

from msgspec import Struct

Z = 1.959963984540054
"""The normal quantile of 97.5 %."""
_SAME = 1e-9
_HALVINGS = 80
_FAR = 60.0
"""Ratios are looked for between exp(-60) and exp(60) times the estimate."""


class Interval(Struct, frozen=True):
    """From low to high; with `outside`, all that is not between them: a ratio whose denominator may be zero."""

    low: float
    high: float
    outside: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value is in it, to nine digits: figures without any spread differ in their last bits only."""
        return (self.low - _SAME <= value <= self.high + _SAME) is not self.outside


EVERYTHING = Interval(-math.inf, math.inf)


class Mean(Struct, frozen=True):
    """A weighted mean over clusters, and the variance of it."""

    clusters: int
    value: float
    variance: float
    """NaN of fewer than two clusters."""


def mean(k: float, w: float, s: float, ww: float, sw: float, ss: float) -> Mean | None:
    """s / w, the ratio of two sums over k clusters, with the linearised variance over clusters (Cochran, Sampling Techniques, 6.4).

    None without weight.
    """
    if k < 1 or w <= 0:
        return None
    value = s / w
    if k < 2:
        return Mean(int(k), value, math.nan)
    spread = max(0.0, ss - 2 * value * sw + value * value * ww)
    return Mean(int(k), value, spread / (w * w) * k / (k - 1))


def wilson(hits: float, trials: float, z: float = Z) -> Interval:
    """The score interval of a share (Wilson 1927)."""
    if trials <= 0:
        return Interval(0.0, 1.0)
    share, zz = hits / trials, z * z / trials
    centre = share + zz / 2
    half = z * math.sqrt(share * (1 - share) / trials + zz / (4 * trials))
    low, high = (centre - half) / (1 + zz), (centre + half) / (1 + zz)
    return Interval(max(0.0, low) if hits > 0 else 0.0, min(1.0, high) if hits < trials else 1.0)


def _crossing(inside: float, outside: float, distance: "_Distance") -> float:
    """Where the distance reaches Z squared between a ratio that is believable and one that is not, in logs."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if distance.at(math.exp(middle)) <= Z * Z:
            inside = middle
        else:
            outside = middle
    return math.exp(inside)


class _Distance(Struct, frozen=True):
    """How far two shares are from having a given ratio (Koopman 1984): x of m over y of n."""

    x: float
    m: float
    y: float
    n: float

    def at(self, ratio: float) -> float:
        """The chi-square statistic at a ratio."""
        x, m, y, n = self.x, self.m, self.y, self.n
        b = ratio * (m + y) + x + n
        share = (b - math.sqrt(max(0.0, b * b - 4 * ratio * (m + n) * (x + y)))) / (2 * (m + n))
        if share >= 1 - 1e-12:  # all of m were hits, and only y of n speaks
            other = min(1.0, 1 / ratio)
            return (y - n * other) ** 2 / (n * other * (1 - other)) if other < 1 else 0.0
        return (x - m * share) ** 2 / (m * share * (1 - share)) * (1 + m * (ratio - share) / (n * (1 - share)))


def ratio_of_shares(below: float, of_below: float, above: float, of_above: float) -> Interval:
    """The score interval of (above / of_above) / (below / of_below), by Koopman (Biometrics 40, 1984)."""
    if of_below <= 0 or of_above <= 0 or below + above <= 0:
        return Interval(0.0, math.inf)
    distance = _Distance(above, of_above, below, of_below)
    guess = math.log(max(above, 0.5) / of_above * of_below / max(below, 0.5))
    low = 0.0 if above <= 0 else _crossing(guess, guess - _FAR, distance)
    high = math.inf if below <= 0 else _crossing(guess, guess + _FAR, distance)
    return Interval(low, high)


def ratio_of_rates(below: float, of_below: float, above: float, of_above: float, clumping: float = 1.0) -> Interval:
    """The ratio of two Poisson rates, above over below: given their sum, one count is binomial, and Wilson's interval of it is turned back.

    `clumping`: how many events come together (the variance of the count over its mean); so many times fewer are independent.
    """
    if of_below <= 0 or of_above <= 0 or below + above <= 0:
        return Interval(0.0, math.inf)
    part = wilson(above / max(1.0, clumping), (below + above) / max(1.0, clumping))
    times = of_below / of_above
    return Interval(part.low / (1 - part.low) * times, part.high / (1 - part.high) * times if part.high < 1 else math.inf)


def fieller(below: Mean, above: Mean) -> Interval:
    """The ratio of two means, above over below (Fieller 1954): everything where nothing can be said, `outside` where below may be zero.

    It leaves 1 out exactly where the difference of the two means is significant.
    """
    zz = Z * Z
    if not math.isfinite(below.variance + above.variance):
        return EVERYTHING
    a = below.value**2 - zz * below.variance
    b = below.value * above.value
    c = above.value**2 - zz * above.variance
    inner = b * b - a * c
    if a == 0 or (a < 0 and inner <= 0):
        return EVERYTHING
    root = math.sqrt(max(0.0, inner))
    low, high = sorted(((b - root) / a, (b + root) / a))
    return Interval(low, high, outside=a < 0)


def quantile(edges: Sequence[float], counts: Sequence[float], rank: float) -> float:
    """The value at a rank (0 to the total) of buckets that end at `edges`; between two edges it goes evenly in logs."""
    seen, before = 0.0, edges[0] / 2
    for edge, count in zip(edges, counts, strict=True):
        if count and rank <= seen + count:
            return float(before * (edge / before) ** max(0.0, (rank - seen) / count))
        seen, before = seen + count, edge
    return before


def quantile_interval(edges: Sequence[float], counts: Sequence[float], part: float) -> Interval:
    """The interval of a quantile by its ranks: free of any distribution, open above where the sample is too small for it."""
    total = sum(counts)
    half = Z * math.sqrt(total * part * (1 - part))
    low, high = total * part - half, total * part + half
    return Interval(quantile(edges, counts, low) if low > 0 else 0.0, quantile(edges, counts, high) if high <= total else math.inf)


def ratio_of_estimates(below: float, of_below: Interval, above: float, of_above: Interval) -> Interval:
    """The ratio of two positive figures from their own intervals, on the log scale (the variance estimates recovery of Zou and Donner)."""
    if below <= 0 or above <= 0:
        return Interval(0.0, math.inf)
    log = math.log(above / below)
    low, high = 0.0, math.inf
    if of_above.low > 0 and math.isfinite(of_below.high):
        low = math.exp(log - math.hypot(math.log(above / of_above.low), math.log(of_below.high / below)))
    if of_below.low > 0 and math.isfinite(of_above.high):
        high = math.exp(log + math.hypot(math.log(of_above.high / above), math.log(below / of_below.low)))
    return Interval(low, high)
