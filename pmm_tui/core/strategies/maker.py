"""The market maker: a fair price, a centre moved against the inventory, a width, and a ladder of quotes around it."""

from math import inf, nan
from typing import Annotated, Literal

from msgspec import Meta, Struct

from pmm_tui.core.market import Side
from pmm_tui.core.quoting.centre import house, variance_ahead
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.quoting.width import avellaneda_stoikov, floored, glft_half
from pmm_tui.core.units import ONE, dollars, shares, to_size
from pmm_tui.core.view import View

NAME = "maker"


class MakerKnobs(Struct, frozen=True):
    """Fair price, centre, width and ladder."""

    gamma_risk_aversion: Annotated[
        float,
        Meta(gt=0, le=100, description="risk aversion, 1/dollar: 0.3 moves the centre by about half a cent for each 25 shares at 0.50"),
    ] = 0.3
    micro_weight: Annotated[float, Meta(ge=0, le=1, description="fair price: 0 is the mid, 1 is the microprice, between is a blend")] = 0.5
    risk_horizon_s: Annotated[
        float,
        Meta(gt=0, le=31_536_000, description="how long an inventory is held before it is traded away, seconds: the horizon of its risk"),
    ] = 600.0
    risk_horizon_share: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="that horizon is at most this part of the time left. A fair price spends its variance evenly over the time left: "
            "inventory moves the centre by about gamma x shares x this, in logits. At 0.50, 0.3 x 25 x 0.003 is half a cent, 500 shares "
            "are 11 cents",
        ),
    ] = 0.003
    default_half_spread_bps: Annotated[float, Meta(ge=0, le=5_000, description="half-spread, basis points of the fair price")] = 50.0
    width_model: Annotated[
        Literal["fixed", "glft", "as"],
        Meta(description="what may widen the half-spread: nothing (fixed), GLFT's closed form (glft), Avellaneda and Stoikov's (as)"),
    ] = "glft"
    fill_intensity_per_s: Annotated[float, Meta(gt=0, le=1_000, description="fills a second of a quote at the centre (A)")] = 0.04
    fill_decay_per_usdc: Annotated[
        float, Meta(ge=1, le=10_000, description="how fast fills thin out with distance, 1/dollar (k): at 100, a third is left a cent away")
    ] = 100.0
    min_half_spread_ticks: Annotated[
        float, Meta(ge=0, le=1_000, description="half-spread at least, ticks; 0.5 is one tick between bid and ask")
    ] = 0.5
    min_half_spread_bps: Annotated[float, Meta(ge=0, le=5_000, description="half-spread at least, basis points of the fair price")] = 10.0
    default_order_size: Annotated[float, Meta(gt=0, le=1e6, description="size of the best level, shares; the lot of the width models")] = (
        25.0
    )
    levels: Annotated[int, Meta(ge=1, le=20, description="levels on each side")] = 2
    level_step_ticks: Annotated[float, Meta(ge=1, le=1_000, description="distance from one level to the next, ticks")] = 1.0
    level_size_factor: Annotated[float, Meta(gt=0, le=10, description="size of a level over that of the one before it")] = 1.0


class Pricing(Struct, frozen=True):
    """What the maker believes, dollars; all NaN where the book is not two-sided, or a number that it needs is not one."""

    fair: float
    centre: float
    half_spread: float


UNKNOWN = Pricing(nan, nan, nan)


def price(view: View, micro: float, knobs: MakerKnobs) -> Pricing:
    """The fair price, the centre by the house formula and the half-spread. `micro` is the microprice of the others' book, dollars."""
    if view.bid <= 0 or view.ask >= ONE:
        return UNKNOWN
    mid = dollars(view.bid + view.ask) / 2.0
    fair = mid + knobs.micro_weight * (micro - mid) if knobs.micro_weight else mid
    if not (0.0 < fair < 1.0 and 0.0 <= view.sigma < inf):
        return UNKNOWN
    horizon = min(knobs.risk_horizon_s, max(0.0, view.seconds_left) * knobs.risk_horizon_share)
    variance = variance_ahead(fair, view.sigma, horizon)
    centre = house(fair, shares(view.net), knobs.gamma_risk_aversion, variance / (fair * (1.0 - fair)))
    return Pricing(fair, centre, _half_spread(view, fair, variance, knobs))


def _half_spread(view: View, fair: float, variance: float, knobs: MakerKnobs) -> float:
    """Dollars. The models count in lots of one order: gamma a share is gamma x lot a lot."""
    half = knobs.default_half_spread_bps * fair / 10_000.0
    gamma, k, lot = knobs.gamma_risk_aversion, knobs.fill_decay_per_usdc, knobs.default_order_size
    if knobs.width_model == "glft":
        half = max(half, glft_half(view.sigma, gamma, k, knobs.fill_intensity_per_s, lot))
    elif knobs.width_model == "as":
        half = max(half, avellaneda_stoikov(gamma * lot, variance, k) / 2.0)
    return floored(half, fair, dollars(view.tick), knobs.min_half_spread_ticks, knobs.min_half_spread_bps)


def propose(view: View, pricing: Pricing, knobs: MakerKnobs) -> list[Quote]:
    """The ladder, best level first and the bid before the ask, on the YES token; prices are float dollars, off the grid, perhaps NaN."""
    token = view.market.yes
    step = knobs.level_step_ticks * dollars(view.tick)
    distance, size = pricing.half_spread, knobs.default_order_size
    quotes = []
    for level in range(knobs.levels):
        lot = to_size(size)
        quotes.append(Quote(NAME, token, Side.BUY, pricing.centre - distance, lot, level))
        quotes.append(Quote(NAME, token, Side.SELL, pricing.centre + distance, lot, level))
        distance += step
        size *= knobs.level_size_factor
    return quotes
