"""Equity and drawdown over time, drawn in braille: two dots a column, four a row, a line from lowest to highest in each column."""

from collections.abc import Sequence

from pmm_tui.core.snapshot import Money
from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.lines import Panel, Row, Span
from pmm_tui.tui.state import Scene

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a braille cell: left column top to bottom, right column top to bottom."""
_LABEL = 10


def resample(points: Sequence[tuple[int, int]], columns: int) -> list[tuple[int, int] | None]:
    """Lowest and highest value in each of `columns` equal spans of time; a span without a point repeats the value before it."""
    if not points:
        return [None] * columns
    start, end = points[0][0], points[-1][0]
    made: list[tuple[int, int] | None] = [None] * columns
    for at, value in points:
        column = min(columns - 1, (at - start) * columns // max(1, end - start + 1))
        low, high = made[column] or (value, value)
        made[column] = (min(low, value), max(high, value))
    before = points[0][1]
    for column, pair in enumerate(made):
        if pair is None:
            made[column] = (before, before)
        else:
            before = pair[1]
    return made


def braille(columns: Sequence[tuple[int, int] | None], low: int, high: int, height: int) -> list[str]:
    """`height` rows of len(columns) / 2 cells: each column joined to the one before it. `high` is at the top."""
    dots = height * 4
    cells = [[0] * ((len(columns) + 1) // 2) for _ in range(height)]

    def dot(value: int) -> int:
        return max(0, min(dots - 1, round((value - low) * (dots - 1) / max(1, high - low))))

    before: tuple[int, int] | None = None
    for column, pair in enumerate(columns):
        if pair is None:
            continue
        here = (dot(pair[0]), dot(pair[1]))
        bottom, top = here
        if before is not None:
            bottom, top = min(bottom, before[1]), max(top, before[0])
        for level in range(bottom, top + 1):
            row, part = divmod(dots - 1 - level, 4)
            cells[row][column // 2] |= _DOTS[column % 2][part]
        before = here
    return ["".join(chr(0x2800 + bits) if bits else " " for bits in row) for row in cells]


def drawdowns(points: Sequence[tuple[int, int]], money: Money) -> list[tuple[int, int]]:
    """How far each point lies below the kill switch's reference (negative cash). From the peak, the peak before the curve is not known."""
    made: list[tuple[int, int]] = []
    peak = points[0][1] if points else 0
    for at, value in points:
        peak = max(peak, value)
        made.append((at, min(0, value - (money.initial if money.reference == "start" else peak))))
    return made


def _coloured(text: str, columns: Sequence[tuple[int, int] | None], zero: int) -> list[Span]:
    """A row of the curve in the colour of gain or loss, cell by cell, runs joined."""
    spans: list[Span] = []
    for cell, char in enumerate(text):
        pair = columns[2 * cell]
        style = "down" if pair is not None and pair[1] < zero else "up"
        if spans and spans[-1][1] == style:
            spans[-1] = (spans[-1][0] + char, style)
        else:
            spans.append((char, style))
    return spans


def equity(scene: Scene, width: int, height: int) -> Panel:
    """Profit and loss above, drawdown below with the kill level, and the hours under them."""
    frame = scene.frame
    if frame is None or len(frame.snapshot.equity_curve) < 2:
        return Panel("Profit and loss", [((" no curve yet", "dim"),)])
    money, points = frame.snapshot.money, frame.snapshot.equity_curve
    made = Cash(money.equity - money.initial)
    cells = max(4, width - _LABEL - 1)
    under = 2 if height >= 7 else 0
    upper = max(1, height - under - 1 - bool(under))
    profit = [(at, value - money.initial) for at, value in points]
    columns = resample(profit, cells * 2)
    low, high = min(0, *(value for _, value in profit)), max(0, *(value for _, value in profit))
    if high - low < 1_000_000:
        low, high = low - 500_000, high + 500_000
    rows: list[Row] = []
    for number, text in enumerate(braille(columns, low, high, upper)):
        level = high if number == 0 else low if number == upper - 1 else None
        label = f.fit(f.signed_usd(Cash(level)), _LABEL - 1, ">") if level is not None else " " * (_LABEL - 1)
        rows.append(((f"{label} ┤", "head"), *_coloured(text, columns, 0)))
    if under:
        rows += _drawdown(points, money, cells, under)
    start, end = f.clock(points[0][0])[:5], f.clock(points[-1][0])[:5]
    rows.append(((" " * (_LABEL + 1) + start + " " * max(1, cells - 10) + end, "head"),))
    return Panel(f"Profit and loss {f.signed_usd(made)}", rows, f"drawdown at most {f.usd(money.max_drawdown)}")


def _drawdown(points: Sequence[tuple[int, int]], money: Money, cells: int, height: int) -> list[Row]:
    """The drawdown as far as the kill level, which is a dotted line with its value."""
    base = money.initial if money.reference == "start" else money.peak
    kill = Cash(-round(base * money.halt_pct / 100))
    columns = resample(drawdowns(points, money), cells * 2)
    rows: list[Row] = []
    for number, text in enumerate(braille(columns, min(-1, kill), 0, height)):
        label = "drawdown" if number == 0 else ""
        rows.append(((f"{f.fit(label, _LABEL - 1, '>')} ┤", "head"), (text, "warn")))
    line = f"┄┄ kill {f.usd(kill)} "
    rows.append(((" " * _LABEL + "┤", "head"), (f.fit(line, cells).replace("  ", "┄┄"), "down")))
    return rows
