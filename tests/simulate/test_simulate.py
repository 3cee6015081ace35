"""The seeded simulation: every invariant after every step, the seeds that once failed, and the command that runs them."""

from collections import Counter

import pytest

from pmm_tui.core.engine import Engine
from pmm_tui.record.drawn import draw
from pmm_tui.record.simulate import Outcome, run_seed
from pmm_tui.runtime import simulating
from tests.simulate.cases import CASES

SEEDS = 800
"""Of the suite; `pmm-tui simulate --seeds 2000` is the long proof."""
CHUNK = 50
STEPS_MIN = 500
"""On average over a chunk: a seed is to exercise something."""
MET = ("placed", "rejected", "OrderFilled", "OrderUncertain", "troubles", "kills verified", "markets resolved", "FillSettled", "Flattened")


@pytest.mark.no_cover  # the tracer would treble the time; core's own tests cover it
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_invariant_holds_after_every_step(first: int) -> None:
    outcomes = [run_seed(seed) for seed in range(first, first + CHUNK)]
    broken = [f"seed {one.seed} after {one.at}: {one.broken}" for one in outcomes if one.broken]
    assert not broken, "\n".join(broken)
    assert sum(one.steps for one in outcomes) >= STEPS_MIN * CHUNK
    met: Counter[str] = Counter()
    for one in outcomes:
        met.update(one.counts)
    assert [name for name in MET if not met[name]] == [], "a chunk of seeds exercises each of these"


@pytest.mark.parametrize("seed", CASES)
def test_a_seed_that_once_failed(seed: int) -> None:
    outcome = run_seed(seed)
    assert not outcome.broken, f"{CASES[seed]}\n{outcome.at}: {outcome.broken}"


def test_a_seed_means_the_same_every_time() -> None:
    assert draw(7) == draw(7) and draw(7) != draw(8)
    assert run_seed(7) == run_seed(7)


def test_draws_cover_what_they_are_to_cover() -> None:
    drawn = [draw(seed) for seed in range(400)]
    assert {one.paper.fill_model for one in drawn} == {"coin", "queue", "bbo"}
    assert {one.taped for one in drawn} == {True, False} and {one.markets for one in drawn} == {1, 2, 3}
    told = {type(instruction).__name__ for one in drawn for _, instruction in one.instructions}
    assert told == {"Paused", "Resumed", "Flattened", "Killed", "KillReset", "Retuned"}
    quiet = sum(one.trouble == type(one.trouble)() for one in drawn)
    assert 20 < quiet < 120 and any(one.outages for one in drawn) and any(one.position_holds for one in drawn)


class TestCommand:
    def test_all_is_well(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert simulating.simulate_seeds(3, 12, 1) == 0
        told = capsys.readouterr()
        assert told.out.startswith("12 seeds: every invariant held after every step\n") and "kills verified" in told.out
        assert told.err.splitlines()[-1] == "12 of 12 seeds"

    def test_several_processes_say_the_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert simulating.simulate_seeds(0, 10, 2) == 0
        parallel = capsys.readouterr().out.split(" s: ")[1]
        assert simulating.simulate_seeds(0, 10, 1) == 0
        assert capsys.readouterr().out.split(" s: ")[1] == parallel

    def test_a_failing_seed_says_what_where_and_how_to_see_it_again(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def run(seed: int) -> Outcome:
            return Outcome(seed, 40, {"placed": 2}, "cash: 1 for 2" if seed == 6 else "", "step 40, Ticked(at=1)" if seed == 6 else "")

        monkeypatch.setattr(simulating, "run_seed", run)
        assert simulating.simulate_seeds(5, 3, 1) == 1
        out = capsys.readouterr().out
        assert "seed 6 FAILED after step 40, Ticked(at=1)\n  cash: 1 for 2\n" in out
        assert "pmm-tui simulate --first 6 --seeds 1" in out and "1 of 3 seeds FAILED" in out

    def test_what_an_engine_raises_is_a_failure_with_its_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def raising(*_: object) -> None:
            raise ZeroDivisionError("by nothing")

        monkeypatch.setattr(Engine, "step", raising)
        outcome = run_seed(1)
        assert outcome.broken.startswith("nothing raises") and "ZeroDivisionError: by nothing" in outcome.broken
        assert "MarketListed" in outcome.at
