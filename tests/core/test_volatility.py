"""Volatility against worked numbers, and what is in force where the estimate is not to be believed."""

from math import exp, inf, isclose, nan, sqrt

import pytest

from pmm_tui.core.signals.volatility import Volatility, VolKnobs, effective_sigma
from pmm_tui.core.units import Nanos

ROOT = sqrt(60.0)
MIDS = ((0, 0.500), (1, 0.502), (3, 0.501), (4, 0.504), (8, 0.500), (9, 0.501))
START = 1_790_000_000


def at(seconds: float) -> Nanos:
    return Nanos(round((START + seconds) * 1_000) * 1_000_000)


def seen(knobs: VolKnobs) -> Volatility:
    vol = Volatility(knobs)
    for second, mid in MIDS:
        vol.update(mid, at(second))
    return vol


def test_the_mean_that_forgets_at_irregular_times() -> None:
    vol = seen(VolKnobs(vol_tau_s=5, fallback_sigma_usdc_per_sqrt_min=0.0004 * ROOT, vol_samples_min=1))
    sigma, source = vol.effective()
    assert isclose(sigma, 0.001675508504, rel_tol=1e-9)
    assert source == "estimate"
    assert vol.samples == 5


def test_over_a_long_memory_it_approaches_the_realised_volatility() -> None:
    knobs = VolKnobs(vol_tau_s=20)
    vol = Volatility(knobs)
    for lap in range(60):
        for second, mid in MIDS[1:]:
            vol.update(mid, at(lap * 9 + second))
    assert sqrt(vol.variance) == pytest.approx(0.001855921454, rel=0.1)


@pytest.mark.parametrize(
    ("estimate", "expected", "source"),
    [(0.0012, 0.005, "floor"), (0.0, 0.005, "floor"), (nan, 0.01, "fallback"), (inf, 0.01, "fallback"), (0.013, 0.013, "estimate")],
)
def test_the_volatility_in_force(estimate: float, expected: float, source: str) -> None:
    sigma, why = effective_sigma(estimate / ROOT, 500, VolKnobs())
    assert isclose(sigma * ROOT, expected)
    assert why == source


def test_too_few_samples_are_no_estimate() -> None:
    vol = seen(VolKnobs())
    sigma, why = vol.effective()
    assert isclose(sigma * ROOT, 0.01)
    assert why == "fallback"


def test_a_fallback_below_the_floor_is_raised_to_it() -> None:
    sigma, why = effective_sigma(nan, 500, VolKnobs(fallback_sigma_usdc_per_sqrt_min=0.001))
    assert isclose(sigma * ROOT, 0.005)
    assert why == "fallback"


def test_a_sweep_within_the_floor_of_time_is_one_move() -> None:
    swept, at_once = Volatility(VolKnobs()), Volatility(VolKnobs())
    for vol in (swept, at_once):
        vol.update(0.500, at(0))
    for milli, mid in ((1, 0.505), (2, 0.510), (3, 0.515), (51, 0.515)):
        swept.update(mid, at(milli / 1000))
    at_once.update(0.515, at(0.051))
    assert swept.variance == at_once.variance
    assert swept.samples == at_once.samples == 1
    keep = exp(-0.051 / 60)
    assert isclose(swept.variance, keep * 0.01**2 / 60 + (1 - keep) * 0.015**2 / 0.051)


def test_times_that_stand_still_or_go_back_change_nothing() -> None:
    vol = seen(VolKnobs())
    before = (vol.variance, vol.samples)
    vol.update(0.9, at(9))
    vol.update(0.9, at(4))
    assert (vol.variance, vol.samples) == before


@pytest.mark.parametrize("mid", [nan, inf, -inf, 0.0, 1.0, -0.5])
def test_no_mid_changes_nothing(mid: float) -> None:
    vol = seen(VolKnobs())
    before = (vol.variance, vol.samples)
    vol.update(mid, at(20))
    assert (vol.variance, vol.samples) == before
    vol.update(0.501, at(21))
    assert vol.samples == before[1] + 1


def test_a_quiet_market_forgets_down_to_the_floor() -> None:
    vol = seen(VolKnobs(vol_samples_min=1))
    vol.update(0.501, at(3600))
    assert vol.effective() == (0.005 / ROOT, "floor")


def test_new_knobs_keep_what_was_learned() -> None:
    vol = seen(VolKnobs())
    variance = vol.variance
    vol.retune(VolKnobs(vol_samples_min=2, min_sigma_usdc_per_sqrt_min=1e-6))
    assert vol.effective() == (sqrt(variance), "estimate")
