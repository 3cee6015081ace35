"""How far the two quotes stand apart, from risk aversion, volatility and how fast fills thin out with distance.

Units: k is per dollar and a per second (a quote d dollars from the centre is filled at the rate a e^(-k d)), gamma and xi per dollar.
"""

from math import exp, log1p, sqrt


def avellaneda_stoikov(gamma: float, variance: float, k: float) -> float:
    """The whole spread, gamma sigma^2 (T - t) + (2/gamma) ln(1 + gamma/k), dollars (Quantitative Finance 8(3), 2008, eq 30)."""
    return gamma * variance + 2.0 / gamma * log1p(gamma / k)


def glft(gamma: float, xi: float, k: float, a: float, lot: float) -> tuple[float, float]:
    """The constants of the closed form of Guéant, Lehalle and Fernandez-Tapia, in the general notation of arXiv:1605.01862 (eq 4.6-4.7).

    c1 = ln(1 + xi D/k) / (xi D) and c2 = sqrt(gamma/(2 a D k) (1 + xi D/k)^(k/(xi D) + 1)), with D the lot in shares. The half-spread is
    c1 + D sigma c2 / 2. With xi = gamma and D = 1 this is the closed form of arXiv:1105.3115 (after Prop. 3), and D sigma c2 its root.
    """
    risk = xi * lot
    growth = log1p(risk / k)
    return growth / risk, sqrt(gamma / (2.0 * a * lot * k) * exp(growth * (k / risk + 1.0)))


def glft_half(sigma: float, gamma: float, k: float, a: float, lot: float) -> float:
    """The half-spread of the closed form without inventory, dollars; sigma in dollars per square root of a second."""
    c1, c2 = glft(gamma, gamma, k, a, lot)
    return c1 + lot * sigma * c2 / 2.0


def floored(half: float, fair: float, tick: float, ticks_min: float, bps_min: float) -> float:
    """A half-spread no narrower than so many ticks and so many basis points of the fair price, dollars."""
    return max(half, ticks_min * tick, bps_min * fair / 10_000.0)
