"""The long look's own arithmetic: events that join, gaps that are seen, a memory that rises."""

import io
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame, NoteRow
from pmm_tui.core.units import Nanos
from pmm_tui.tui.bench_ui import PATIENCE_S, waited
from pmm_tui.tui.heard import Heard, Told, beyond
from pmm_tui.tui.soak import DESK_NOISE_MIB, JUDGED_S_MIN, SERIES_MAX, flat, memory
from tests.faces import pictures


def notes(*numbers: int) -> tuple[NoteRow, ...]:
    """Events by number, newest first."""
    return tuple(NoteRow(Nanos(number), "info", f"event {number}") for number in numbers)


def picture(seq: int, *numbers: int, fills: int = 0) -> Frame:
    """A picture with these events, newest first."""
    frame = pictures.quoting()
    return replace(frame, snapshot=replace(frame.snapshot, seq=seq, notes=notes(*numbers), fill_count=fills))


def told(*frames: Frame) -> list[Told]:
    """What is written down about these pictures."""
    file = io.BytesIO()
    heard = Heard(file)
    for frame in frames:
        heard.take(frame)
    return [msgspec.json.decode(line, type=Told) for line in file.getvalue().splitlines()]


def test_every_event_is_written_down_once_in_its_order() -> None:
    one = picture(5, 2, 1)
    lines = told(one, one, picture(9, 4, 3, 2, 1, fills=2), picture(12, 5, 4, 3, 2))
    assert [note.text for line in lines for note in line.notes] == [f"event {number}" for number in (1, 2, 3, 4, 5)]
    assert [line.gap for line in lines] == [False, False, False], "the same picture twice is one line"


@pytest.mark.parametrize(
    "after", [picture(9, 60, 59), picture(9, 3, fills=99), picture(3, 2, 1), picture(9, 3, 1)], ids=["events", "fills", "back", "torn"]
)
def test_what_does_not_join_is_a_gap(after: Frame) -> None:
    before = picture(5, 2, 1)
    assert [line.gap for line in told(before, after)] == [False, True]


def test_a_run_that_is_met_late_may_have_lost_events_already() -> None:
    assert told(picture(900, *range(50, 0, -1)))[0].gap and not told(picture(900, *range(49, 0, -1)))[0].gap


def test_equal_events_one_after_another_are_told_apart_by_what_follows() -> None:
    assert beyond(notes(1, 1), notes(1, 1, 1)) == (notes(1), True)
    assert beyond((), notes(2, 1)) == (notes(2, 1), True)


def test_a_slope_is_of_the_time_after_the_warm_up() -> None:
    rising = memory([(60.0 * minute, 50.0 if minute < 10 else 60.0 + minute / 60) for minute in range(41)])
    assert rising.slope_per_hour == pytest.approx(1.0) and rising.first == pytest.approx(60 + 10 / 60) and rising.samples == 31


def half_an_hour(leak_kb_s: float = 0.0, fills_mib: float = 0.0, step_mib: float = 0.0, seconds: int = 1_800) -> list[tuple[float, float]]:
    """A made series, a sample each five seconds: saw teeth of 0.8 MiB, a leak, a cache that fills in ten minutes, a step at two thirds."""
    return [
        (float(at), 60 + at % 90 / 112 + leak_kb_s * at / 1_048.576 + fills_mib * min(1, at / 600) + step_mib * (at > 2 * seconds / 3))
        for at in range(0, seconds + 1, 5)
    ]


def test_memory_that_saws_or_fills_a_cache_is_flat_and_a_small_leak_is_not() -> None:
    assert memory(half_an_hour()).flat and memory(half_an_hour(fills_mib=10)).flat and memory(half_an_hour(leak_kb_s=-5)).flat
    assert memory(half_an_hour(leak_kb_s=10)).flat is False and memory(half_an_hour(leak_kb_s=1)).flat is False
    assert memory(half_an_hour(step_mib=3)).flat is False
    shortest = half_an_hour(leak_kb_s=10, seconds=int(JUDGED_S_MIN))
    assert memory(shortest).flat is False and memory(shortest, DESK_NOISE_MIB).flat is False, "where it was watched shortly, too"
    assert memory(half_an_hour(leak_kb_s=4, seconds=820), DESK_NOISE_MIB).flat is False, "a desk is watched for a tape"
    leaking = memory(half_an_hour(leak_kb_s=10))
    assert leaking.late_slope_per_hour == pytest.approx(34.3, abs=1) and leaking.late_rise == pytest.approx(8.6, abs=0.3)


def test_what_was_watched_too_shortly_has_no_verdict_and_one_leak_spoils_the_whole() -> None:
    short, still, leaking = memory(half_an_hour(seconds=390)), memory(half_an_hour()), memory(half_an_hour(leak_kb_s=10))
    assert short.flat is None and flat([short]) is None
    assert flat([short, still]) is True and flat([short, still, leaking]) is False


def test_the_series_is_thinned_and_keeps_its_end() -> None:
    points = half_an_hour()
    series = memory(points).series
    assert 60 < len(series) <= SERIES_MAX and series[-1] == (1_800.0, round(points[-1][1], 2))
    assert {round(later[0] - one[0]) for one, later in pairwise(series)} == {20}
    assert memory(points[:7]).series == [(at, round(mib, 2)) for at, mib in points[:7]]


def test_a_press_waits_for_its_own_answer() -> None:
    answers = [(1.1, "14:02:31 PAPER pause: pulled"), (1.9, "unasked"), (2.3, "14:02:32 PAPER resume: quoting")]
    assert waited([1.0, 2.0, 3.0], answers) == pytest.approx([0.1, 0.3, PATIENCE_S])
