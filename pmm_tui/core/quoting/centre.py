"""Where the two quotes are centred: the fair price, moved against the inventory.

Units: prices are dollars in (0, 1), inventory is signed YES shares, gamma is per dollar, sigma is dollars per square root of a second.
"""

from math import exp

_RISK_MAX = 25.0
"""Beyond this many logits no grid of the venue tells a price from 0 or 1, and a float soon cannot either."""


def reservation(price: float, inventory: float, gamma: float, variance: float) -> float:
    """Avellaneda and Stoikov's reservation price, r = s - q gamma sigma^2 (T - t) (Quantitative Finance 8(3), 2008, eq 8 = 29)."""
    return price - inventory * gamma * variance


def variance_ahead(fair: float, sigma: float, horizon_s: float) -> float:
    """What the price may still vary within the horizon, squared dollars: sigma^2 tau, never above p(1 - p).

    The cap is exact: a price that is a martingale and ends at 0 or 1 has p(1 - p) of variance left and no more.
    """
    return min(sigma * sigma * horizon_s, fair * (1.0 - fair))


def cara(fair: float, inventory: float, gamma: float) -> float:
    """The marginal price at which an exponential utility holding `inventory` to the resolution is indifferent: S(logit p - gamma q).

    Equal to LMSR's price with b = 1/gamma. Written without the logarithm: S(logit p - x) = p / (p + (1 - p) e^x).
    """
    risk = gamma * inventory
    if risk > _RISK_MAX:
        risk = _RISK_MAX
    elif risk < -_RISK_MAX:
        risk = -_RISK_MAX
    return fair / (fair + (1.0 - fair) * exp(risk))


def house(fair: float, inventory: float, gamma: float, share: float) -> float:
    """The house formula, S(logit p - gamma q rho): `share` (rho, 0..1) is the part of the remaining variance that lies within the horizon.

    A small share gives Avellaneda and Stoikov's price to first order, a share of 1 the exact `cara`; it never leaves (0, 1).
    """
    return cara(fair, inventory * share, gamma)


def linear_skew(inventory: float, inventory_max: float, eta: float, sigma: float) -> float:
    """The product rule, -(q/Q) eta sigma, dollars. `sigma` is the effective volatility over the risk interval (house: one minute)."""
    return -inventory / inventory_max * eta * sigma
