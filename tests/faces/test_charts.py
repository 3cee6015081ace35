"""Lines over time: what is remembered of the mids, gaps where nothing rests, the three sets of symbols, and that a drawn curve is kept."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import SECOND, Cash, Nanos, Price, Size
from pmm_tui.tui import format as f
from pmm_tui.tui.rows import chart
from pmm_tui.tui.rows.lines import Panel
from pmm_tui.tui.state import Symbols
from pmm_tui.tui.traces import Trace, TracePoint, Traces, points
from tests.faces import pictures, scenes
from tests.faces.pictures import BTC, NOW, lots


def text(panel: Panel) -> list[str]:
    """Rows as plain text."""
    return ["".join(part for part, _ in row) for row in panel.rows]


def first(traces: Traces) -> TracePoint:
    """The oldest point of the one market."""
    return points(traces.markets[BTC].until(Nanos(NOW + 1_000 * SECOND)))[0]


def at(seconds: float, frame: Frame) -> Frame:
    """The same picture at another moment."""
    return replace(frame, snapshot=replace(frame.snapshot, at=Nanos(NOW + round(seconds * SECOND))))


def test_a_trace_takes_one_point_a_second_of_each_market_and_forgets_what_is_gone() -> None:
    traces, frame = Traces(), pictures.three()
    for tenth in range(31):
        traces.apply(at(tenth / 10, frame), NOW)
    assert {len(points) for points in traces.markets.values()} == {4}
    one = first(traces)
    assert (one.mid, one.bid, one.ask, one.net) == (525_000, 520_000, 530_000, lots(80))
    traces.apply(at(10, pictures.quoting()), NOW)
    assert list(traces.markets) == [BTC]


def test_a_trace_is_bounded_and_begins_anew_when_time_goes_back() -> None:
    traces, frame = Traces(), pictures.quoting()
    for second in range(Trace.POINTS + 50):
        traces.apply(at(second, frame), NOW)
    assert len(traces.markets[BTC]) == Trace.POINTS
    traces.apply(at(5, frame), NOW)
    assert len(traces.markets[BTC]) == 1


def test_a_market_without_a_mid_leaves_no_point_and_what_does_not_rest_leaves_a_gap() -> None:
    traces = Traces()
    traces.apply(pictures.waiting(), NOW)
    assert not traces.markets[pictures.waiting().snapshot.markets[0].id]
    traces.apply(at(1, pictures.paused()), NOW)
    assert first(traces).bid == 0 and first(traces).ask == 0


def test_a_gap_stays_a_gap_and_a_span_without_a_point_repeats_the_one_before() -> None:
    assert chart.resample([(0, 5), (10, None), (20, 7), (29, 8)], 3, 0, 29) == [(5, 5), None, (7, 8)]
    assert chart.resample([(0, 5), (10, None), (39, 8)], 4, 0, 39) == [(5, 5), None, None, (8, 8)]
    assert chart.resample([(0, 5), (29, 8)], 3) == [(5, 5), (5, 5), (8, 8)]
    assert chart.resample([(0, 1), (50, 2), (99, 3)], 2, 50, 99) == [(2, 2), (3, 3)]
    assert chart.resample([(40, 1)], 4, 0, 39) == [None] * 4


@pytest.mark.parametrize(
    ("symbols", "rows"), [("braille", [" ⡼", "⣰⠃"]), ("block", ["  ▃█", "▁▆█ "]), ("ascii", ["  _'", "_'| "])]
)  # fmt: skip
def test_a_climb_in_every_set_of_symbols(symbols: Symbols, rows: list[str]) -> None:
    climb = [(value, value) for value in range(4)]
    assert chart.plot(climb, 0, 3, 2, symbols) == rows


@given(
    st.lists(st.one_of(st.none(), st.tuples(st.integers(-50, 50), st.integers(0, 20))), min_size=1, max_size=40),
    st.integers(1, 6), st.sampled_from(("braille", "block", "ascii")),
)  # fmt: skip
def test_every_column_with_a_value_is_drawn_and_one_without_is_blank(
    spans: Sequence[tuple[int, int] | None], height: int, symbols: Symbols
) -> None:
    columns = [(one[0], one[0] + one[1]) if one is not None else None for one in spans]
    drawn = chart.plot(columns, -50, 70, height, symbols)
    cells = len(columns) if symbols != "braille" else (len(columns) + 1) // 2
    assert len(drawn) == height and {len(row) for row in drawn} == {cells}
    for cell in range(cells):
        here = columns[2 * cell : 2 * cell + 2] if symbols == "braille" else columns[cell : cell + 1]
        assert any(row[cell] != " " for row in drawn) == any(one is not None for one in here)


def test_the_mid_chart_marks_fills_by_direction_and_desk() -> None:
    both = scenes.modes(pictures.three(), scenes.production())["both"]
    panel = chart.mid(both, 100, 12)
    shown = "".join(text(panel))
    assert all(sign in shown for sign in "△▽▲▼") and panel.note == "▲▼ production  △▽ paper   fills since 14:00:30"
    alone = "".join(text(chart.mid(replace(both, beside=None), 100, 12)))
    assert "△" in alone and "▲" not in alone
    plain = "".join(text(chart.mid(replace(both, symbols="ascii"), 100, 12)))
    assert plain.replace("┤", "").isascii() and "b" in plain and "S" in plain


def test_a_failed_fill_and_one_of_before_are_not_marked() -> None:
    scene = scenes.scene(pictures.three())
    assert scene.frame is not None
    failed = tuple(replace(fill, status="FAILED") for fill in scene.frame.snapshot.fills)
    old = tuple(replace(fill, at=Nanos(NOW - 3_600 * SECOND)) for fill in scene.frame.snapshot.fills)
    for fills in (failed, old):
        frame = replace(scene.frame, snapshot=replace(scene.frame.snapshot, fills=fills))
        shown = "".join(text(chart.mid(replace(scene, frame=frame), 100, 12)))
        assert "△" not in shown and "▽" not in shown


def test_what_nobody_saw_is_a_gap_and_fills_that_are_not_known_any_more_are_said_to_be() -> None:
    traces, frame = Traces(), pictures.quoting()
    for second in (*range(-300, -200), *range(-60, 1)):
        traces.apply(at(second, frame), NOW)
    scene = replace(scenes.scene(frame), traces=traces)
    panel = chart.mid(scene, 110, 9)
    columns = list(zip(*(row[row.index("┤") + 1 :].ljust(100) for row in text(panel)[:8]), strict=True))
    empty = [number for number, column in enumerate(columns[:99]) if not "".join(column).strip("△▽ ")]
    assert len(empty) in range(38, 50) and empty == list(range(empty[0], empty[-1] + 1)), "140 s of 300 s"
    oldest = min(fill.at for fill in frame.snapshot.fills)
    assert panel.note.endswith(f"fills since {f.clock(oldest)}")
    few = replace(frame, snapshot=replace(frame.snapshot, fill_count=len(frame.snapshot.fills)))
    assert "since" not in chart.mid(replace(scene, frame=few), 110, 9).note


def test_a_fill_of_the_other_outcome_is_marked_the_other_way_at_its_price_in_yes_terms() -> None:
    fill = pictures.fills()[0]
    assert chart.mark_of(fill, "Up", True, "braille") == ("▲", "bid")
    assert chart.mark_of(replace(fill, outcome="Down"), "Up", False, "braille") == ("▽", "ask")


def test_a_frozen_chart_stands_still_though_the_trace_goes_on() -> None:
    frame = pictures.quoting()
    scene = replace(scenes.scene(frame), frozen=True)
    before = chart.mid(scene, 80, 8).rows
    assert scene.traces is not None
    scene.traces.apply(at(30, frame), NOW)
    assert chart.mid(scene, 80, 8).rows == before and chart.mid(replace(scene, frozen=False, frame=at(30, frame)), 80, 8).rows != before


def test_the_inventory_is_drawn_around_zero() -> None:
    rows = text(chart.inventory(scenes.scene(pictures.three()), 60, 8))
    assert rows[0].lstrip().startswith("+80 ┤") and rows[6].lstrip().startswith("-80 ┤") and "0 ┤" in rows[3]
    assert "no curve yet" in text(chart.inventory(replace(scenes.scene(pictures.three()), traces=None), 60, 8))[0]


def test_a_curve_that_did_not_move_is_not_drawn_again() -> None:
    frame = pictures.quoting()
    scene = scenes.scene(frame)
    first = chart.equity(scene, 74, 9)
    last_at, last = frame.snapshot.equity_curve[-1]
    moved = (*frame.snapshot.equity_curve[:-1], (Nanos(last_at + 1), last))
    again = chart.equity(replace(scene, frame=replace(frame, snapshot=replace(frame.snapshot, equity_curve=moved))), 74, 9)
    assert all(one is other for one, other in zip(first.rows, again.rows, strict=True))
    richer = (*frame.snapshot.equity_curve[:-1], (last_at, last + 5_000_000))
    changed = chart.equity(replace(scene, frame=replace(frame, snapshot=replace(frame.snapshot, equity_curve=richer))), 74, 9)
    assert changed.title != first.title and changed.rows != first.rows


@pytest.mark.parametrize(("symbols", "reached"), [("braille", "━"), ("block", "━"), ("ascii", "=")])
def test_where_the_drawdown_reached_the_kill_level_the_line_says_so(symbols: Symbols, reached: str) -> None:
    frame = pictures.quoting()
    money, (start, _) = frame.snapshot.money, frame.snapshot.equity_curve[0]
    for over, expected in ((0, True), (1, False)):
        levels = (money.initial, money.equity + money.drawdown, money.halts_at + over, money.halts_at + over)
        curve = tuple((Nanos(start + 60 * SECOND * at), Cash(level)) for at, level in enumerate(levels))
        told = replace(frame, snapshot=replace(frame.snapshot, equity_curve=curve))
        line = next(row for row in text(chart.equity(replace(scenes.scene(told), symbols=symbols), 74, 9)) if " kill " in row)
        assert (line.rstrip().endswith(2 * reached)) is expected and reached not in line[:40]


def test_two_desks_have_a_curve_each_with_its_own_kill_level() -> None:
    both = scenes.modes(pictures.three(), scenes.production())["both"]
    panel = chart.equity(both, 74, 9)
    shown = "\n".join(text(panel))
    assert "kill -$130.85" in shown and "kill -$40.60" in shown
    assert panel.title == "Profit and loss   PAPER +$12.40   LIVE $$$ +$1.40"


def _rich(frame: Frame, **card: str) -> Frame:
    """The same desk with ten thousand times the money."""
    snapshot, times = frame.snapshot, 10_000
    money = replace(snapshot.money, initial=snapshot.money.initial * times, max_drawdown=snapshot.money.max_drawdown * times)
    curve = tuple((at, value * times) for at, value in snapshot.equity_curve)
    return replace(frame, card=replace(frame.card, **card), snapshot=replace(snapshot, money=money, equity_curve=curve))


def test_where_there_is_little_room_the_title_and_the_note_lose_words_but_no_money() -> None:
    paper, live = _rich(pictures.three()), _rich(scenes.production(), source="loopback")
    both = scenes.modes(paper, live)["both"]
    made = {width: chart.equity(both, width, 9) for width in (90, 66, 56)}
    paper_made, live_made = "PAPER +$124,000.00", "LIVE REHEARSAL +$14,000.00"
    assert {width: panel.title for width, panel in made.items()} == {
        90: f"Profit and loss   {paper_made}   {live_made}", 66: f"Profit   {paper_made}   {live_made}", 56: f"{paper_made}   {live_made}"
    }  # fmt: skip
    assert {width: panel.note for width, panel in made.items()} == {
        90: "drawdown at most $231,000.00 │ drawdown at most $44,000.00",
        66: "drawdown at most $231,000.00 │ drawdown at most $44,000.00",
        56: "drawdown at most $231,000.00 │ $44,000.00",
    }


def test_sizes_of_a_trace_are_shares_and_prices_micro_dollars() -> None:
    frame = pictures.quoting()
    row = replace(frame.snapshot.markets[0], yes=Size(0), no=lots(12.5), tick=Price(10))
    traces = Traces()
    traces.apply(replace(frame, snapshot=replace(frame.snapshot, markets=(row,))), NOW)
    assert first(traces).net == -lots(12.5)
