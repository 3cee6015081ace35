"""Two thousand seeds of the simulation: every invariant after every step, the account agreed at the end, the replay byte for byte."""

from collections import Counter

import pytest

from pmm_tui.record.simulate import run_seed

SEEDS = 2_000
CHUNK = 100
EXERCISED = ("placed", "OrderFilled", "OrderUncertain", "Killed", "kills verified", "markets resolved", "troubles", "rejected")


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_invariant_holds_after_every_step(first: int) -> None:
    counts: Counter[str] = Counter()
    broken = []
    for seed in range(first, first + CHUNK):
        outcome = run_seed(seed)
        counts.update(outcome.counts)
        if outcome.broken:
            broken.append(f"seed {seed} after {outcome.at}: {outcome.broken}")
    assert not broken, "\n".join(broken)
    idle = [name for name in EXERCISED if not counts[name]]
    assert not idle, f"a hundred seeds never had: {idle}"


def test_a_seed_is_the_same_twice() -> None:
    assert run_seed(7) == run_seed(7)
