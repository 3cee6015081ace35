"""The long look's own arithmetic: events that join, gaps that are seen, a memory that rises."""

import io

import msgspec
import pytest
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame, NoteRow
from pmm_tui.core.units import Nanos
from pmm_tui.tui.bench_ui import PATIENCE_S, waited
from pmm_tui.tui.heard import Heard, Told, beyond
from pmm_tui.tui.soak import memory
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


def test_a_press_waits_for_its_own_answer() -> None:
    answers = [(1.1, "14:02:31 PAPER pause: pulled"), (1.9, "unasked"), (2.3, "14:02:32 PAPER resume: quoting")]
    assert waited([1.0, 2.0, 3.0], answers) == pytest.approx([0.1, 0.3, PATIENCE_S])
