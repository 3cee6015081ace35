"""The market maker: fair price, centre, width and ladder, with the worked numbers that the defaults were chosen by."""

from math import inf, isclose, isnan, nan, sqrt

import pytest
from msgspec import structs

from pmm_tui.core.market import Market, Side
from pmm_tui.core.quoting.width import avellaneda_stoikov, glft_half
from pmm_tui.core.strategies.maker import MakerKnobs, Pricing, price, propose
from pmm_tui.core.units import DOLLAR, SHARE, Cash, Nanos, Price, Size
from pmm_tui.core.view import View

NOW = Nanos(1_790_000_000_000_000_000)
FIXED = MakerKnobs(width_model="fixed")


def seen(bid: int = 4900, ask: int = 5100, net: float = 0.0, sigma: float = 0.015, left_s: float | None = 900.0, tick: int = 100) -> View:
    closes = Nanos(0) if left_s is None else Nanos(NOW + round(left_s * 1e9))
    market = Market(id="m", slug="m", question="?", yes="yes", no="no", tick=Price(tick), min_size=Size(5 * SHARE), closes=closes)
    yes, no = Size(max(0, round(net * SHARE))), Size(max(0, round(-net * SHARE)))
    money = Cash(500 * DOLLAR)
    return View(
        at=NOW, market=market, tick=Price(tick), bid=Price(bid), bid_size=Size(900 * SHARE), ask=Price(ask), ask_size=Size(300 * SHARE),
        sigma=sigma, yes=yes, no=no, free_yes=yes, free_no=no, cash=money, equity=money, initial=money,
    )  # fmt: skip


@pytest.mark.parametrize(("weight", "fair"), [(0.0, 0.49), (0.5, 0.4925), (1.0, 0.495)])
def test_the_fair_price_blends_mid_and_microprice(weight: float, fair: float) -> None:
    pricing = price(seen(4800, 5000), 0.495, MakerKnobs(micro_weight=weight))
    assert isclose(pricing.fair, fair)
    assert isclose(pricing.centre, fair), "without inventory the centre is the fair price"


def fair_sigma(p: float, left_s: float) -> float:
    """The volatility of a price that spends its variance evenly over the time left."""
    return sqrt(p * (1 - p) / left_s)


@pytest.mark.parametrize("left_s", [900.0, 300.0, 60.0])
@pytest.mark.parametrize(("net", "cents"), [(25, 0.56), (100, 2.25), (500, 11.06), (-25, -0.56), (-500, -11.06)])
def test_inventory_moves_the_centre_by_ticks_not_by_dollars(net: float, cents: float, left_s: float) -> None:
    """gamma 0.3, orders of 25, position up to 500: over all the time left one order would move the centre to 0.0006."""
    view = seen(net=net, sigma=fair_sigma(0.5, left_s), left_s=left_s)
    moved = 0.5 - price(view, 0.5, FIXED).centre
    assert 100 * moved == pytest.approx(cents, abs=0.01)
    naive = price(view, 0.5, MakerKnobs(risk_horizon_share=1.0, risk_horizon_s=1e6)).centre
    assert (naive < 0.001) if net > 0 else (naive > 0.999)


@pytest.mark.parametrize("left_s", [30 * 86_400.0, None])
def test_the_same_defaults_serve_a_market_of_months(left_s: float | None) -> None:
    moved = {net: 0.5 - price(seen(net=net, sigma=0.01 / sqrt(60), left_s=left_s), 0.5, FIXED).centre for net in (25, 500)}
    assert 100 * moved[25] == pytest.approx(0.75, abs=0.01)
    assert 100 * moved[500] == pytest.approx(14.57, abs=0.01)


def test_the_skew_shrinks_in_the_tails_and_ends_with_the_market() -> None:
    middle = 0.5 - price(seen(net=200), 0.5, FIXED).centre
    tail = price(seen(9400, 9600, net=200, sigma=fair_sigma(0.95, 900)), 0.95, FIXED)
    assert 0 < tail.fair - tail.centre < middle / 3
    over = price(seen(net=200, left_s=-5.0), 0.5, FIXED)
    assert isclose(over.centre, over.fair)


@pytest.mark.parametrize("sigma", [0.0, 0.05, 1e6])
@pytest.mark.parametrize("net", [-1e6, 1e6])
def test_the_centre_stays_a_price(sigma: float, net: float) -> None:
    assert 0 < price(seen(net=net, sigma=sigma), 0.5, MakerKnobs()).centre < 1


def test_the_half_spread_is_the_widest_of_its_reasons() -> None:
    view, quiet = seen(), MakerKnobs(width_model="fixed", min_half_spread_ticks=0, min_half_spread_bps=0)
    assert isclose(price(view, 0.5, quiet).half_spread, 0.0025), "50 bps of 0.50"
    assert isclose(price(view, 0.5, structs.replace(quiet, default_half_spread_bps=400)).half_spread, 0.02)
    assert price(view, 0.5, FIXED).half_spread == 0.005, "half a tick"
    assert isclose(price(view, 0.5, structs.replace(quiet, min_half_spread_bps=300)).half_spread, 0.015)
    assert price(view, 0.5, MakerKnobs()).half_spread == glft_half(0.015, 0.3, 100, 0.04, 25)
    variance = 0.015**2 * 900 * 0.003
    assert isclose(price(view, 0.5, MakerKnobs(width_model="as")).half_spread, avellaneda_stoikov(0.3 * 25, variance, 100) / 2)


@pytest.mark.parametrize(
    ("view", "micro"),
    [
        (seen(bid=0), 0.5),
        (seen(ask=10_000), 0.5),
        (seen(), nan),
        (seen(), inf),
        (seen(), -3.0),
        (seen(sigma=nan), 0.5),
        (seen(sigma=inf), 0.5),
        (seen(sigma=-1.0), 0.5),
    ],
)
def test_what_is_not_known_is_not_a_price(view: View, micro: float) -> None:
    pricing = price(view, micro, MakerKnobs())
    assert isnan(pricing.fair)
    assert isnan(pricing.centre)
    assert isnan(pricing.half_spread)
    assert all(isnan(quote.price) for quote in propose(view, pricing, MakerKnobs()))


def test_the_mid_alone_needs_no_microprice() -> None:
    assert price(seen(), nan, MakerKnobs(micro_weight=0)).fair == 0.5


def test_the_ladder() -> None:
    knobs = MakerKnobs(levels=3, level_step_ticks=2, level_size_factor=1.5, default_order_size=10)
    quotes = propose(seen(), Pricing(0.5, 0.49, 0.012), knobs)
    drawn = [(quote.side, round(float(quote.price), 6), quote.size / SHARE, quote.level) for quote in quotes]
    assert drawn == [
        (Side.BUY, 0.478, 10, 0),
        (Side.SELL, 0.502, 10, 0),
        (Side.BUY, 0.458, 15, 1),
        (Side.SELL, 0.522, 15, 1),
        (Side.BUY, 0.438, 22.5, 2),
        (Side.SELL, 0.542, 22.5, 2),
    ]
    assert {(quote.token, quote.strategy, quote.held) for quote in quotes} == {("yes", "maker", "")}
