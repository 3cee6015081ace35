"""95 % intervals of single figures and of ratios between two desks, in closed form or by bisection: nothing is drawn by chance."""

import math
from collections.abc import Mapping, Sequence

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


def student(freedom: float) -> float:
    """The quantile of 97.5 % of Student's t, by its expansion (Abramowitz and Stegun 26.7.5); exact of one and two degrees."""
    if freedom < 1.5:
        return math.tan(0.475 * math.pi)
    if freedom < 2.5:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    n, z = freedom, Z
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160
    return z + first / n + second / n**2 + third / n**3 + fourth / n**4


def freedom(below: Mean, above: Mean) -> float:
    """The degrees of freedom of a difference of two means (Welch and Satterthwaite)."""
    one, other = below.variance, above.variance
    parts = one * one / (below.clusters - 1) + other * other / (above.clusters - 1)
    return (one + other) ** 2 / parts if parts > 0 else math.inf


def fieller(below: Mean, above: Mean) -> Interval:
    """The ratio of two means, above over below (Fieller 1954): everything where nothing can be said, `outside` where below may be zero.

    It leaves 1 out exactly where the difference of the two means is significant.
    """
    if not math.isfinite(below.variance + above.variance):
        return EVERYTHING
    zz = student(freedom(below, above)) ** 2
    a = below.value**2 - zz * below.variance
    b = below.value * above.value
    c = above.value**2 - zz * above.variance
    inner = b * b - a * c
    if a == 0 or (a < 0 and inner <= 0):
        return EVERYTHING
    root = math.sqrt(max(0.0, inner))
    low, high = sorted(((b - root) / a, (b + root) / a))
    return Interval(low, high, outside=a < 0)


class Quantile(Struct, frozen=True):
    """A quantile of a sample that is known by buckets: where it lies as far as its bucket tells, and where chance may have it."""

    value: float
    """Within its bucket as if all in there lay evenly in logs."""
    bucket: Interval
    chance: Interval
    """The interval of 95 % by ranks, free of any distribution, out to the ends of its buckets; open where the sample is too small."""


def quantile(edges: Sequence[float], counts: Mapping[int, float], part: float) -> Quantile | None:
    """The quantile of buckets that end at `edges`, the last one nowhere; None of nothing."""
    total = sum(counts.values())
    if not total:
        return None
    half = Z * math.sqrt(total * part * (1 - part))
    least, most = math.floor(total * part - half), math.ceil(total * part + half)
    own, within = _bucket_of(counts, total * part)
    lower, upper = _ends(edges, own)
    value = lower * (upper / lower) ** within if own and math.isfinite(upper) else lower or upper * within
    low = _ends(edges, _bucket_of(counts, least)[0])[0] if least >= 1 else 0.0
    high = _ends(edges, _bucket_of(counts, most)[0])[1] if most <= total else math.inf
    return Quantile(value, Interval(lower, upper), Interval(low, high))


def _bucket_of(counts: Mapping[int, float], rank: float) -> tuple[int, float]:
    """The bucket that holds a rank of the sample, and which part of the bucket comes before it."""
    seen, number, count = 0.0, 0, 0.0
    for number, count in sorted(counts.items()):
        if rank <= seen + count:
            return number, max(0.0, (rank - seen) / count)
        seen += count
    return number, 1.0


def _ends(edges: Sequence[float], number: int) -> tuple[float, float]:
    return edges[number - 1] if number else 0.0, edges[number]


def ratio_of_quantiles(below: Quantile, above: Quantile) -> Interval:
    """The ratio of two quantiles, above over below. What chance adds is put together on the log scale (the variance estimates recovery of
    Zou and Donner), from bucket to bucket; what a bucket does not tell is no chance: both may lie at its worse end."""

    def far(inner: float, outer: float) -> float:
        return abs(math.log(outer / inner)) if inner > 0 and outer > 0 and math.isfinite(outer) else math.inf

    low, high = 0.0, math.inf
    if above.bucket.low > 0 and math.isfinite(below.bucket.high):
        chance = math.hypot(far(above.bucket.low, above.chance.low), far(below.bucket.high, below.chance.high))
        low = above.bucket.low / below.bucket.high * math.exp(-chance)
    if below.bucket.low > 0 and math.isfinite(above.bucket.high):
        chance = math.hypot(far(above.bucket.high, above.chance.high), far(below.bucket.low, below.chance.low))
        high = above.bucket.high / below.bucket.low * math.exp(chance)
    return Interval(low, high)
