"""The lines of safety and money where no box tells of them, with the equity as a line in the room that they leave."""

from pmm_tui.tui.rows import top
from pmm_tui.tui.rows.chart import plot, resample, samples
from pmm_tui.tui.rows.duo import TWO_WIDE, letter, sides
from pmm_tui.tui.rows.fresh import aged
from pmm_tui.tui.rows.lines import Panel, Row, across, exact, length
from pmm_tui.tui.signs import mark
from pmm_tui.tui.state import Scene

_NAME = "  equity "
_SHORTEST = 6
"""Cells below which a line says nothing."""


def summary(scene: Scene, width: int, height: int) -> Panel:
    """Am I safe, am I making money, and how the equity went; of both desks, paper left, where two fit beside each other."""
    if scene.beside is None:
        return _told(scene, top.summary(scene, width, height), width)
    if width < TWO_WIDE:
        return Panel("", _of(scene, width, height))
    half = width // 2
    blocks = [[exact(row, room) for row in _of(one, room, height)] for one, room in zip(sides(scene), (half, width - half), strict=True)]
    return Panel("", across(*blocks))


def _of(one: Scene, width: int, height: int) -> list[Row]:
    """One of two desks, marked with its letter once it has said which it is."""
    whose: Row = ((f" {letter(one)} ", mark(one)[1]),) if one.frame is not None else ()
    width -= length(whose)
    rows = _told(one, top.summary(one, width, height), width).rows
    return [*((*whose, *aged(one, row)) for row in rows), *[()] * (height - len(rows))]


def _told(scene: Scene, panel: Panel, width: int) -> Panel:
    """With the equity as a line where there is room for one."""
    curve = scene.frame.snapshot.equity_curve if scene.frame is not None else ()
    first = panel.rows[0]
    while first and not first[-1][0].strip():
        first = first[:-1]
    room = width - length(first) - len(_NAME) - 1
    if len(curve) < 2 or room < _SHORTEST or scene.frame is None:
        return panel
    worth: list[int] = [value for _, value in curve]
    low, high = min(worth), max(worth)
    if high - low < 1_000_000:
        low, high = low - 500_000, high + 500_000
    (line,) = plot(resample(curve, samples(room, scene.symbols)), low, high, 1, scene.symbols)
    made = worth[-1] - scene.frame.snapshot.money.initial
    return panel._replace(rows=[(*first, (_NAME, "head"), (line, top.tone(made))), *panel.rows[1:]])
