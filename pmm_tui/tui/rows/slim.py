"""The lines of safety and money on a small screen, with the equity as a line in the room that they leave."""

from pmm_tui.tui.rows import top
from pmm_tui.tui.rows.chart import plot, resample, samples
from pmm_tui.tui.rows.fresh import aged
from pmm_tui.tui.rows.lines import Panel, length
from pmm_tui.tui.state import Scene

_NAME = "  equity "
_SHORTEST = 6
"""Cells below which a line says nothing."""


def summary(scene: Scene, width: int, height: int) -> Panel:
    """Am I safe, am I making money, and how the equity went."""
    panel = top.summary(scene, width, height)
    if scene.beside is not None:
        panel = panel._replace(rows=[aged(scene, row) for row in panel.rows])
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
