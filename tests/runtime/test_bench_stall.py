"""The bench of a terminal that stands: how late a desk was is read from its journal, and what counts as a difference."""

from pathlib import Path

import pytest

from pmm_tui.core.events import Ticked
from pmm_tui.core.units import MILLI, Nanos
from pmm_tui.record.journal import Journal
from pmm_tui.runtime.bench_stall import Lateness, Span, lateness, verdicts
from pmm_tui.runtime.bench_tape import START_AT, Walk, market
from pmm_tui.runtime.bench_work import NotMeasured


def a_run(folder: Path, late_ms: list[int]) -> Path:
    """A run whose ticks were so late, each with a change of a book that is twice as old as its tick is late."""
    journal, walk, at = Journal(folder / "run", {"test": 1}), Walk(1, market()), START_AT
    journal.write(Ticked(at), [])
    for late in late_ms:
        at = Nanos(at + (100 + late) * MILLI)
        journal.write(Ticked(at), [])
        change = walk.change()
        journal.write(type(change)(at, change.market, Nanos(at - 2 * late * MILLI), change.changes), [])
    journal.close()
    return folder / "run"


def test_lateness_is_what_lies_between_ticks_beyond_their_time_and_the_age_of_frames(tmp_path: Path) -> None:
    run = a_run(tmp_path, [1] * 10 + [7] * 10)
    middle = START_AT + 10 * 101 * MILLI
    spans = [Span("before", START_AT, middle), Span("after", middle, middle + 10 * 107 * MILLI)]
    found = {(one.what, one.span): one for one in lateness("desk", run, spans)}
    assert {key: (one.samples, one.p50, one.p99, one.p99_each) for key, one in found.items()} == {
        ("tick", "before"): (10, 1.0, 1.0, [1.0]),
        ("tick", "after"): (10, 7.0, 7.0, [7.0]),
        ("frame", "before"): (10, 2.0, 2.0, [2.0]),
        ("frame", "after"): (10, 14.0, 14.0, [14.0]),
    }


def test_a_span_in_which_the_desk_hardly_ticked_is_no_measurement(tmp_path: Path) -> None:
    run = a_run(tmp_path, [1, 1_000_000, 1])
    with pytest.raises(NotMeasured, match="3 samples of tick"):
        lateness("desk", run, [Span("all", START_AT, START_AT + 2_000_000 * MILLI)])


@pytest.mark.parametrize(
    ("stalled", "says"), [([5.0, 6.0, 7.0], "unchanged within noise"), ([15.0, 16.0, 17.0], "higher"), ([1.0, 1.1, 1.2], "lower")]
)
def test_a_difference_counts_only_beyond_what_equal_spans_differ_by(stalled: list[float], says: str) -> None:
    found = [
        Lateness("desk", "tick", name, 300, 1.0, 2.0, 5.0, each)
        for name, each in (("read", [5.0, 6.0, 7.0]), ("stalled", stalled), ("read again", [7.0, 6.0, 5.0]))
    ]
    (verdict,) = verdicts(found, "stalled")
    assert verdict.says == says and verdict.difference == pytest.approx(sum(stalled) / 3 - 6.0)
