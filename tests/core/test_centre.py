"""The centre of the quotes against worked numbers: Avellaneda-Stoikov, the binary restatement, the exact limit and the house formula."""

from math import inf, isclose, nan

import pytest

from pmm_tui.core.quoting.centre import cara, house, linear_skew, reservation, variance_ahead

MONTH_S = 30 * 86_400.0


def share(fair: float, sigma: float, horizon_s: float) -> float:
    return variance_ahead(fair, sigma, horizon_s) / (fair * (1 - fair))


def test_the_papers_reservation_price() -> None:
    assert reservation(100, 0, 0.1, 4.0) == 100
    assert isclose(reservation(100, 3, 0.1, 4.0), 98.8)


def test_the_binary_restatement() -> None:
    variance = variance_ahead(0.5, 0.0004, 3600)
    assert isclose(variance, 0.000576)
    assert isclose(reservation(0.5, 200, 0.02, variance), 0.497696)


def test_variance_is_capped_by_what_a_binary_has_left() -> None:
    uncapped = 0.0004**2 * MONTH_S
    assert isclose(uncapped, 0.41472)
    assert variance_ahead(0.5, 0.0004, MONTH_S) == 0.25
    assert isclose(variance_ahead(0.42, 1.0, inf) ** 0.5, 0.4935585072, rel_tol=1e-9)
    assert variance_ahead(0.5, 0.0004, 0.0) == 0.0
    # Why the desk does not use the linear form: even capped it leaves the range of a price.
    assert isclose(reservation(0.5, 200, 0.02, uncapped), -1.15888)
    assert isclose(reservation(0.5, 200, 0.02, 0.25), -0.5)


def test_the_exact_binary_limit() -> None:
    assert isclose(cara(0.5, 20, 0.02), 0.4013123399, rel_tol=1e-9)
    assert cara(0.3, 0, 0.02) == pytest.approx(0.3, abs=1e-15)
    assert isclose(cara(0.3, 20, 0.02) + cara(0.7, -20, 0.02), 1.0), "YES and NO mirror each other"


@pytest.mark.parametrize(
    ("fair", "inventory", "gamma", "sigma", "horizon_s", "expected"),
    [
        (0.5, 200, 0.02, 0.0004, 3600, 0.4976960163),
        (0.5, 200, 0.02, 0.0004, MONTH_S, 0.01798620996),
        (0.05, -300, 0.02, 0.0002, 3600, 0.05087110622),
        (0.05, 300, 0.1, 0.0006, 3600, 0.0226880998),
    ],
)
def test_the_house_formula(fair: float, inventory: float, gamma: float, sigma: float, horizon_s: float, expected: float) -> None:
    assert isclose(house(fair, inventory, gamma, share(fair, sigma, horizon_s)), expected, rel_tol=1e-9)


@pytest.mark.parametrize(("inventory", "gamma", "expected"), [(-300, 0.02, 0.050864), (300, 0.1, 0.01112)])
def test_the_house_formula_is_near_the_linear_one_for_small_risk(inventory: float, gamma: float, expected: float) -> None:
    sigma = 0.0002 if inventory < 0 else 0.0006
    linear = reservation(0.05, inventory, gamma, variance_ahead(0.05, sigma, 3600))
    assert isclose(linear, expected)
    exact = house(0.05, inventory, gamma, share(0.05, sigma, 3600))
    assert 0 < exact < 1
    assert exact == pytest.approx(linear, rel=1e-3) if inventory < 0 else exact > linear


@pytest.mark.parametrize("fair", [0.0001, 0.01, 0.5, 0.99, 0.9999])
@pytest.mark.parametrize("inventory", [-1e9, -500, 0, 500, 1e9])
def test_the_centre_never_leaves_the_range_of_a_price(fair: float, inventory: float) -> None:
    assert 0.0 < house(fair, inventory, 0.3, 1.0) < 1.0


def test_what_is_not_a_number_stays_none() -> None:
    assert house(0.5, nan, 0.3, 0.1) != house(0.5, nan, 0.3, 0.1)
    assert house(nan, 10, 0.3, 0.1) != house(nan, 10, 0.3, 0.1)


def test_the_product_rule_skew() -> None:
    assert isclose(linear_skew(300, 500, 1.5, 0.005), -0.0045)
    assert isclose(linear_skew(-300, 500, 1.5, 0.005), 0.0045)
