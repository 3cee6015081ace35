"""Tables 1 to 3 of Avellaneda and Stoikov (Quantitative Finance 8(3), 2008), simulated again with the desk's own formulas.

s = 100, T = 1, sigma = 2, dt = 0.005, k = 1.5, A = 140, 1000 paths a table.
Table 3 is gamma = 1 in the published version (0.5 in the 2006 draft).
"""

from math import exp, sqrt
from random import Random
from statistics import fmean

import pytest

from pmm_tui.core.quoting.centre import reservation
from pmm_tui.core.quoting.width import avellaneda_stoikov

START, STEPS, SIGMA, K, A = 100.0, 200, 2.0, 1.5, 140.0
DT = 1.0 / STEPS
PATHS = 1000
TABLES = 8
"""We simulate this many tables: the published one has enough chance in it for both."""

PUBLISHED = [
    # gamma, strategy, average spread, profit, its deviation, final inventory, its deviation
    (0.1, "inventory", 1.49, 65.0, 6.6, 0.08, 2.9),
    (0.1, "symmetric", 1.49, 68.4, 12.7, 0.26, 8.4),
    (0.01, "inventory", 1.35, 68.6, 8.7, 0.12, 5.1),
    (0.01, "symmetric", 1.35, 68.8, 12.8, 0.09, 8.7),
    (1.0, "inventory", 3.02, 31.4, 5.0, 0.02, 1.7),
    (1.0, "symmetric", 3.02, 44.0, 11.0, 0.00, 5.1),
]


def one_path(chance: Random, gamma: float, spreads: list[float], symmetric: float | None) -> tuple[float, int]:
    """Profit and final inventory of one path. `symmetric` is the constant spread of the strategy that centres on the mid."""
    mid, cash, held = START, 0.0, 0
    jump, variance = SIGMA * sqrt(DT), SIGMA * SIGMA
    for step, spread in enumerate(spreads):
        if symmetric is None:
            centre, half = reservation(mid, held, gamma, variance * (1.0 - step * DT)), spread / 2.0
        else:
            centre, half = mid, symmetric / 2.0
        bid, ask = centre - half, centre + half
        bought = chance.random() < A * exp(-K * (mid - bid)) * DT
        sold = chance.random() < A * exp(-K * (ask - mid)) * DT
        cash += (ask if sold else 0.0) - (bid if bought else 0.0)
        held += bought - sold
        mid += jump if chance.random() < 0.5 else -jump
    return cash + held * mid, held


def moments(values: list[float]) -> tuple[float, float, float, float]:
    """Mean and standard deviation, each followed by the standard error that a table of `PATHS` paths has, ours added."""
    mean = fmean(values)
    variance = fmean((value - mean) ** 2 for value in values)
    kurtosis = fmean((value - mean) ** 4 for value in values) / variance**2
    errors = sqrt(1.0 / PATHS + 1.0 / len(values))
    return mean, sqrt(variance) * errors, sqrt(variance), sqrt(variance) * sqrt((kurtosis - 1.0) / 4.0) * errors


@pytest.mark.parametrize(("gamma", "strategy", "spread", "profit", "profit_std", "final", "final_std"), PUBLISHED)
def test_a_published_row_is_reproduced(
    gamma: float, strategy: str, spread: float, profit: float, profit_std: float, final: float, final_std: float
) -> None:
    spreads = [avellaneda_stoikov(gamma, SIGMA * SIGMA * (1.0 - step * DT), K) for step in range(STEPS)]
    average = avellaneda_stoikov(gamma, SIGMA * SIGMA / 2.0, K)
    assert round(average, 2) == spread
    chance = Random(2008)
    paths = [one_path(chance, gamma, spreads, average if strategy == "symmetric" else None) for _ in range(PATHS * TABLES)]
    for mean_published, std_published, values in (
        (profit, profit_std, [won for won, _ in paths]),
        (final, final_std, [float(held) for _, held in paths]),
    ):
        mean, mean_error, std, std_error = moments(values)
        assert abs(mean_published - mean) < 3.0 * mean_error
        assert abs(std_published - std) < 3.0 * std_error
