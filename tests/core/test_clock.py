"""Readings of the venue's clock: what one says for sure, and what two in a row bring about."""

import pytest

from pmm_tui.core.commands import Alert, CancelAll
from pmm_tui.core.events import ClockSeen
from pmm_tui.core.signals.clock import ClockKnobs, agreed, held_by, kills, surely_off
from pmm_tui.core.units import SECOND
from tests.core.desk import MARKET, at, cancels
from tests.core.test_engine import quoting

KNOBS = ClockKnobs()


def seen(least_s: float, most_s: float, ms: int = 0) -> ClockSeen:
    return ClockSeen(at(ms), round(least_s * SECOND), round(most_s * SECOND))


@pytest.mark.parametrize(("least", "most", "off"), [(-0.5, 0.5, 0), (2.5, 4, 2.5), (-4, -2.5, -2.5), (0, 3, 0), (-3, 0, 0)])
def test_a_reading_says_the_least_that_it_allows(least: float, most: float, off: float) -> None:
    assert surely_off(seen(least, most)) == off * SECOND


def test_two_seconds_exactly_are_still_well() -> None:
    assert held_by(None, KNOBS) == held_by(seen(2, 3), KNOBS) == held_by(seen(-3, -2), KNOBS) == ""
    assert held_by(seen(2.1, 3.1), KNOBS) == "clock: the venue's clock is +2.6 s from ours"


def test_only_two_readings_that_each_say_so_and_do_not_contradict_each_other_kill() -> None:
    far = seen(60, 61)
    assert kills(far, seen(60.5, 62), KNOBS) and kills(seen(-61, -60), seen(-60.5, -59), KNOBS)
    assert not kills(None, far, KNOBS)
    assert not kills(seen(9, 80), far, KNOBS) and not kills(far, seen(9, 80), KNOBS)  # a slow answer
    assert not kills(far, seen(70, 71), KNOBS) and agreed(far, seen(70, 71)) is None
    assert not kills(seen(-61, -60), far, KNOBS)
    assert not kills(seen(10, 11), seen(10, 11), KNOBS)  # ten exactly
    assert agreed(far, seen(60.5, 62)) == (60.5 * SECOND, 61 * SECOND)


def test_F20_the_desk_holds_at_once_and_is_killed_by_the_second_reading() -> None:
    bench, _ = quoting()
    told = bench.tell(seen(60, 61, 1_000))
    assert [one for one in told if isinstance(one, Alert)] == [Alert("warn", "clock", "clock: the venue's clock is +60.5 s from ours")]
    assert len(cancels(bench.tick(1_200))) == 2
    row = bench.engine.snapshot().markets[0]
    assert (row.id, row.state, row.why) == (MARKET.id, "held", "clock: the venue's clock is +60.5 s from ours")
    (guard,) = [row for row in bench.engine.snapshot().risk if row.name == "clock"]
    assert (guard.now, guard.limit, guard.holding, guard.used) == ("+60.0 s", "2 s", True, 30.0)
    told = bench.tell(seen(60, 61, 3_000))
    assert CancelAll() in told and bench.engine.state.kill.why == "the venue's clock is +60.5 s from ours, more than 10 s"
    assert not any(isinstance(one, CancelAll) for one in bench.tell(seen(60, 61, 5_000)))  # once


def test_F20_a_clock_that_is_right_again_lets_it_go_on() -> None:
    bench, _ = quoting()
    bench.tell(seen(3, 4, 1_000))
    bench.tick(1_200)
    assert bench.engine.state.markets[MARKET.id].hold
    bench.tell(seen(-0.5, 0.5, 3_000))
    bench.tick(3_200)
    assert not bench.engine.state.markets[MARKET.id].hold and bench.engine.state.kill.phase == "ok"
    assert [note.text for note in bench.engine.state.notes][-1] == "clock: the venue's is ours again"
