"""The production desk against the exchange in virtual time: real client, real signing, real feeds, faults by seed, and books that agree."""

from collections import Counter

import pytest

from pmm_tui.runtime import simulating
from pmm_tui.runtime.drill import run_seed

SEEDS = 400
"""Of the suite; `pmm-tui simulate --venue clob --seeds 2000` is the long proof."""
CHUNK = 20
MET = ("placed", "OrderFilled", "OrderRejected", "troubles")
CASES = {
    163: "a flatten sold while the market feed and the user channel were lost",
    1661: "a trade that is retried for two minutes was still under way when the books were compared",
}


@pytest.mark.no_cover  # the tracer would treble the time; the core's own tests cover it
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_exchange_and_the_desk_agree_in_the_end(first: int) -> None:
    outcomes = [run_seed(seed) for seed in range(first, first + CHUNK)]
    broken = [f"seed {one.seed} after {one.at}: {one.broken}" for one in outcomes if one.broken]
    assert not broken, "\n".join(broken)
    met: Counter[str] = Counter()
    for one in outcomes:
        met.update(one.counts)
    assert [name for name in MET if not met[name]] == [], "a chunk of seeds exercises each of these"


@pytest.mark.parametrize("seed", CASES)
def test_a_seed_that_once_failed(seed: int) -> None:
    assert not run_seed(seed).broken, CASES[seed]


def test_a_seed_means_the_same_every_time() -> None:
    first, second = run_seed(5), run_seed(5)
    assert (first.steps, first.counts, first.broken) == (second.steps, second.counts, second.broken)


def test_the_command_names_its_venue(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulating.simulate_seeds(0, 2, 1, "clob") == 0
    assert "2 seeds: every invariant held" in capsys.readouterr().out
    with pytest.raises(ValueError, match="allowed: paper, clob"):
        simulating.simulate_seeds(0, 1, 1, "moon")
