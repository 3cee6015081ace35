"""Lines over time by our own hand: profit and drawdown with the kill level, the mid with our quotes and fills, the inventory."""

from collections.abc import Sequence
from functools import lru_cache

from pmm_tui.core.snapshot import FillRow, MarketRow
from pmm_tui.core.units import DOLLAR, ONE, SECOND, Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import desk_word, letter, mode_word, sides
from pmm_tui.tui.rows.fresh import aged, priced
from pmm_tui.tui.rows.lines import Panel, Row, Span, across, block, wrap
from pmm_tui.tui.rows.top import is_production
from pmm_tui.tui.state import Scene, Symbols
from pmm_tui.tui.traces import count, point, points

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a braille cell: left column top to bottom, right column top to bottom."""
_EIGHTHS = "▁▂▃▄▅▆▇█"
_ASCII = "_-'"
_LABEL = 10
CENT = DOLLAR // 100
_TWO = 56
"""Two curves beside each other fit from here on."""
Column = tuple[int, int] | None
"""Lowest and highest value in one column; None where there is nothing."""


def samples(cells: int, symbols: Symbols) -> int:
    """Columns that fit into so many cells."""
    return 2 * cells if symbols == "braille" else cells


def resample(points: Sequence[tuple[int, int | None]], columns: int, start: int | None = None, end: int | None = None) -> list[Column]:
    """Lowest and highest value in each of `columns` equal spans of time; a span without a point repeats the last value before it.

    A point of None begins a gap. `start` and `end` default to the first and the last point; what lies outside of them is left out.
    """
    made: list[Column] = [None] * columns
    if not points or columns < 1:
        return made
    start, end = points[0][0] if start is None else start, points[-1][0] if end is None else end
    last: dict[int, int | None] = {}
    for at, value in points:
        if not start <= at <= end:
            continue
        column = min(columns - 1, (at - start) * columns // max(1, end - start + 1))
        last[column] = value
        if value is not None:
            low, high = made[column] or (value, value)
            made[column] = (min(low, value), max(high, value))
    before: int | None = points[0][1] if points[0][0] <= start else None
    for column in range(columns):
        if column in last:
            before = last[column]
        elif before is not None:
            made[column] = (before, before)
    return made


def _steps(columns: Sequence[Column], low: int, high: int, steps: int) -> list[Column]:
    """Columns as lowest and highest step of `steps`, each joined to the one before it."""
    made: list[Column] = []
    before: Column = None
    for pair in columns:
        if pair is None:
            made.append(None)
            before = None
            continue
        bottom, top = (max(0, min(steps - 1, round((value - low) * (steps - 1) / max(1, high - low)))) for value in pair)
        here = (bottom, top)
        if before is not None:
            bottom, top = min(bottom, before[1]), max(top, before[0])
        made.append((bottom, top))
        before = here
    return made


def braille(columns: Sequence[Column], low: int, high: int, height: int) -> list[str]:
    """`height` rows of len(columns) / 2 cells, two dots a column and four a row. `high` is at the top."""
    dots = height * 4
    cells = [[0] * ((len(columns) + 1) // 2) for _ in range(height)]
    for column, pair in enumerate(_steps(columns, low, high, dots)):
        for level in range(pair[0], pair[1] + 1) if pair is not None else ():
            row, part = divmod(dots - 1 - level, 4)
            cells[row][column // 2] |= _DOTS[column % 2][part]
    return ["".join(chr(0x2800 + bits) if bits else " " for bits in row) for row in cells]


def coarse(columns: Sequence[Column], low: int, high: int, height: int, glyphs: str, upright: str) -> list[str]:
    """`height` rows of len(columns) cells from glyphs that stand for a height in their row, lowest first; `upright` where a line climbs."""
    steps = len(glyphs)
    cells = [[" "] * len(columns) for _ in range(height)]
    for column, pair in enumerate(_steps(columns, low, high, height * steps)):
        if pair is None:
            continue
        last, part = divmod(pair[1], steps)
        for level in range(pair[0] // steps, last + 1):
            cells[height - 1 - level][column] = glyphs[part] if level == last else upright
    return ["".join(row) for row in cells]


def plot(columns: Sequence[Column], low: int, high: int, height: int, symbols: Symbols) -> list[str]:
    """A line through `height` rows; `columns` as many as `samples` says."""
    if symbols == "braille":
        return braille(columns, low, high, height)
    if symbols == "block":
        return coarse(columns, low, high, height, _EIGHTHS, "█")
    return coarse(columns, low, high, height, _ASCII, "|")


def drawdowns(points: Sequence[tuple[int, int]], start: int | None) -> list[tuple[int, int]]:
    """How far each point lies below `start`, negative cash; None: below the peak so far (what it was before the curve is not known)."""
    made: list[tuple[int, int]] = []
    peak = points[0][1] if points else 0
    for at, value in points:
        peak = max(peak, value)
        made.append((at, min(0, value - (peak if start is None else start))))
    return made


def _joined(cells: Sequence[Span]) -> list[Span]:
    """Cells of one style run together."""
    spans: list[Span] = []
    for char, style in cells:
        if spans and spans[-1][1] == style:
            spans[-1] = (spans[-1][0] + char, style)
        else:
            spans.append((char, style))
    return spans


def _coloured(text: str, columns: Sequence[Column], zero: int) -> list[Span]:
    """A row of the curve in the colour of gain or loss, cell by cell."""
    each = max(1, len(columns) // max(1, len(text)))
    pairs = (columns[min(len(columns) - 1, each * cell)] for cell in range(len(text)))
    return _joined([(char, "minus" if pair is not None and pair[1] < zero else "plus") for char, pair in zip(text, pairs, strict=True)])


def equity(scene: Scene, width: int, height: int) -> Panel:
    """Profit and loss above, drawdown below with the kill level, and the hours under them; both desks where there are two and room."""
    if scene.beside is None or width < _TWO:
        return _equity(scene, width, height)
    left, right = sides(scene)
    half = (width - 3) // 2
    panels = [_equity(one, room, height) for one, room in ((left, half), (right, width - 3 - half))]
    panels = [panel._replace(rows=[aged(one, row) for row in panel.rows]) for one, panel in zip((left, right), panels, strict=True)]
    bar: list[Row] = [((" │ ", "frame"),)] * height
    rows = across(block(panels[0].rows, half, height), bar, block(panels[1].rows, width - 3 - half, height))
    gains = [panel.title.rpartition(" ")[2] if panel.note else f.NONE for panel in panels]
    words, letters = (
        "   ".join(f"{name(one)} {gain}" for one, gain in zip((left, right), gains, strict=True)) for name in (mode_word, letter)
    )
    deepest = [panel.note for panel in panels if panel.note]
    amounts = " │ ".join(note.rpartition(" ")[2] for note in deepest)
    return Panel(
        f.first_fit(width - 3, f"Profit and loss   {words}", f"Profit   {words}", words, f"Profit   {letters}", letters),
        rows,
        f.first_fit(width - 3, " │ ".join(deepest), f"drawdown at most {amounts}", f"deepest {amounts}") if deepest else "",
    )


def _equity(scene: Scene, width: int, height: int) -> Panel:
    frame = scene.frame
    if frame is None or len(frame.snapshot.equity_curve) < 2:
        return Panel("Profit and loss", [((" no curve yet", "dim"),)])
    money, curve = frame.snapshot.money, frame.snapshot.equity_curve
    made = Cash(curve[-1][1] - money.initial)
    now = (curve[-1][0] // SECOND * SECOND, curve[-1][1] // CENT * CENT)
    reference = money.equity + money.drawdown
    start, kill = reference if money.reference == "start" else None, Cash(money.halts_at - reference)
    rows = _curve((*curve[:-1], now), money.initial, start, kill, width, height, scene.symbols)
    return Panel(f"Profit and loss {f.signed_usd(made)}", list(rows), f"drawdown at most {f.usd(money.max_drawdown)}")


@lru_cache(maxsize=4)
def _curve(
    points: tuple[tuple[int, int], ...], initial: int, start: int | None, kill: Cash, width: int, height: int, symbols: Symbols
) -> tuple[Row, ...]:
    """The drawn curve; kept, as it is asked for ten times a second and moves seldom."""
    cells = max(2, width - _LABEL - 1)
    under = 2 if height >= 7 else 1 if height >= 5 else 0
    upper = max(1, height - under - (1 if under else 0) - 1)
    gains = [(at, value - initial) for at, value in points]
    columns = resample(gains, samples(cells, symbols))
    low, high = min(0, *(value for _, value in gains)), max(0, *(value for _, value in gains))
    if high - low < 1_000_000:
        low, high = low - 500_000, high + 500_000
    rows: list[Row] = []
    for number, text in enumerate(plot(columns, low, high, upper, symbols)):
        level = high if number == 0 else low if number == upper - 1 else None
        label = f.fit(f.signed_usd(Cash(level)), _LABEL - 1, ">") if level is not None else " " * (_LABEL - 1)
        rows.append(((f"{label} ┤", "head"), *_coloured(text, columns, 0)))
    if under:
        rows += _drawdown(drawdowns(points, start), kill, cells, under, symbols)
    rows.append(_hours(points[0][0], points[-1][0], cells))
    return tuple(rows)


def _hours(start: int, end: int, cells: int) -> Row:
    """When the curve begins and ends: hours and minutes, with seconds where it is short."""
    digits = 5 if end - start >= 600 * 10**9 else 8
    first, last = f.clock(start)[:digits], f.clock(end)[:digits]
    return ((" " * (_LABEL + 1) + first + " " * max(1, cells - 2 * digits) + last, "head"),)


def _drawdown(points: Sequence[tuple[int, int]], kill: Cash, cells: int, height: int, symbols: Symbols) -> list[Row]:
    """The drawdown as far as the kill level, which is a dotted line with its value."""
    rows: list[Row] = []
    columns = resample(points, samples(cells, symbols))
    if symbols != "braille":  # a full cell at no drawdown would read as the deepest
        columns = [None if pair == (0, 0) else pair for pair in columns]
    for number, text in enumerate(plot(columns, min(-1, kill), 0, height, symbols)):
        label = "drawdown" if number == 0 else ""
        rows.append(((f"{f.fit(label, _LABEL - 1, '>')} ┤", "head"), (text, "warn")))
    dots, passed = ("--", "=") if symbols == "ascii" else ("┄┄", "━")
    line = list(f.fit(f"{dots} kill {f.usd(kill)} ", cells).replace("  ", dots))
    for number, pair in enumerate(columns):  # the curve has reached the line there
        cell = number * cells // max(1, len(columns))
        if pair is not None and pair[0] <= kill and line[cell] in f"{dots} ":
            line[cell] = passed
    rows.append(((" " * _LABEL + "┤", "head"), ("".join(line), "down")))
    return rows


class _Canvas:
    """Cells that layers are painted on; a later layer covers an earlier one."""

    def __init__(self, width: int, height: int) -> None:
        self.cells: list[list[Span]] = [[(" ", "")] * width for _ in range(height)]

    def paint(self, rows: Sequence[str], style: str) -> None:
        """A line; its blanks cover nothing."""
        for y, text in enumerate(rows):
            for x, char in enumerate(text):
                if char != " ":
                    self.cells[y][x] = (char, style)

    def mark(self, x: int, y: int, span: Span) -> None:
        """One sign, where it lies on the canvas."""
        if 0 <= y < len(self.cells) and 0 <= x < len(self.cells[y]):
            self.cells[y][x] = span

    def rows(self, labels: dict[int, str]) -> list[Row]:
        """The rows, with a label before some of them."""
        made: list[Row] = []
        for number, spans in enumerate(self.cells):
            label = f.fit(labels.get(number, ""), _LABEL - 1, ">")
            made.append(((f"{label} ┤", "head"), *_joined(spans)))
        return made


APART_NS, GAP_NS = SECOND, 30 * SECOND
"""A value holds for so long after it was seen; what lies farther from the next one ends in a gap."""
Mark = tuple[int, int, Span]
"""When, at what price in micro-dollars, and its sign."""


def mark_of(fill: FillRow, yes: str, live: bool, symbols: Symbols) -> Span:
    """A fill's sign on the chart: up for what buys YES, solid for production, hollow for paper."""
    up = (fill.side == "BUY") == (fill.outcome == yes)
    signs = ("Bb", "Ss") if symbols == "ascii" else ("▲△", "▼▽")
    return (signs[0 if up else 1][0 if live else 1], "bid" if up else "ask")


def _trace(scene: Scene) -> bytes:
    """What is remembered of the selected market up to the picture that is shown, packed: what is drawn of it is kept by this."""
    row = scene.market
    trace = scene.traces.markets.get(row.id) if row is not None and scene.traces is not None else None
    return trace.until(scene.frame.snapshot.at) if trace is not None and scene.frame is not None else b""


def _marks(scene: Scene, row: MarketRow, start: int, end: int) -> tuple[Mark, ...]:
    """Both desks' fills in the market and the time shown, each at its price in YES terms."""
    marks: list[Mark] = []
    yes = row.outcomes[0]
    for one in sides(scene) if scene.beside is not None else (scene,):
        for fill in one.frame.snapshot.fills if one.frame is not None else ():
            if fill.market == row.id and start <= fill.at <= end and fill.status != "FAILED" and not fill.foreign:
                price = fill.price if fill.outcome == yes else ONE - fill.price
                marks.append((fill.at, 100 * price, mark_of(fill, yes, is_production(one), scene.symbols)))
    return tuple(marks)


def gapped(points: Sequence[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    """The same with a gap wherever nothing was seen for longer than GAP_NS: nobody knows what was there."""
    made: list[tuple[int, int | None]] = []
    for number, (at, value) in enumerate(points):
        made.append((at, value))
        if number + 1 < len(points) and points[number + 1][0] - at > GAP_NS:
            made.append((at + APART_NS, None))
    return made


def _since(scene: Scene, start: int) -> str:
    """From when on fills are marked, where a desk had more of them than its picture tells of."""
    ones = (scene, scene.beside) if scene.beside is not None else (scene,)
    told = [one.frame.snapshot for one in ones if one.frame is not None]
    known = max((now.fills[-1].at for now in told if now.fills and now.fill_count > len(now.fills)), default=0)
    return f"   fills since {f.clock(known)}" if known > start else ""


def mid(scene: Scene, width: int, height: int) -> Panel:
    """The selected market's mid over the last minutes, our bid and ask around it, and each fill of either desk where it happened."""
    row, packed = scene.market, _trace(scene)
    if row is None or count(packed) < 2 or height < 3:
        none = wrap("no curve yet: it begins with the second picture of this market", width - 2, 2)
        return Panel("Mid, our quotes and fills", [((f" {line}", "dim"),) for line in none])
    start = point(packed, 0).at
    marks = _marks(scene, row, start, point(packed, -1).at)
    rows = _mids(packed, marks, row.tick, width, height, scene.symbols, scene.probability)
    signs = "B S production  b s paper" if scene.symbols == "ascii" else "▲▼ production  △▽ paper"
    quotes = f"{desk_word(scene)}'s quotes, both desks' fills" if scene.beside is not None else "our quotes and fills"
    title = f"Mid {f.cents_of(priced(row).mid, 2, scene.probability)}, {quotes}"
    return Panel(title, [aged(scene, one) for one in rows], f"{signs}{_since(scene, start)}")


@lru_cache(maxsize=4)
def _mids(
    packed: bytes, marks: tuple[Mark, ...], tick: int, width: int, height: int, symbols: Symbols, probability: bool
) -> tuple[Row, ...]:
    trace = points(packed)
    start, end = trace[0].at, trace[-1].at
    cells, tall = max(2, width - _LABEL - 1), height - 1
    values = [value for one in trace for value in (one.mid, one.bid, one.ask) if value] + [price for _, price, _ in marks]
    low, high = min(values), max(values)
    if high - low < 100 * tick:
        low, high = low - 50 * tick, high + 50 * tick
    canvas = _Canvas(cells, tall)
    bids, asks = [(one.at, one.bid or None) for one in trace], [(one.at, one.ask or None) for one in trace]
    for style, line in (("bidbar", bids), ("askbar", asks), ("mid", [(one.at, one.mid) for one in trace])):
        canvas.paint(plot(resample(gapped(line), samples(cells, symbols), start, end), low, high, tall, symbols), style)
    for at, price, span in marks:
        up = round((price - low) * (tall - 1) / max(1, high - low))
        canvas.mark((at - start) * cells // max(1, end - start + 1), tall - 1 - up, span)
    levels = {0: high, tall - 1: low} | ({tall // 2: (high + low) // 2} if tall >= 5 else {})
    rows = canvas.rows({number: f.cents_of(level / 1e6, 2, probability) for number, level in levels.items()})
    return (*rows, _hours(start, end, cells))


def inventory(scene: Scene, width: int, height: int) -> Panel:
    """The selected market's net position over the last minutes, around a line at zero."""
    packed = _trace(scene)
    if count(packed) < 2 or height < 3:
        return Panel("Inventory", [((" no curve yet", "dim"),)])
    rows = _nets(packed, width, height, scene.symbols)
    whose = f"{desk_word(scene)} inventory" if scene.beside is not None else "Inventory"
    return Panel(f"{whose} {f.signed_shares(point(packed, -1).net)}", [aged(scene, row) for row in rows], "net shares")


@lru_cache(maxsize=4)
def _nets(packed: bytes, width: int, height: int, symbols: Symbols) -> tuple[Row, ...]:
    nets = [(one.at, one.net) for one in points(packed)]
    cells, tall = max(2, width - _LABEL - 1), height - 1
    top = max(1_000_000, *(abs(net) for _, net in nets))
    columns = resample(gapped(nets), samples(cells, symbols))
    canvas = _Canvas(cells, tall)
    flat = plot([(0, 0)] * len(columns), -top, top, tall, symbols)
    canvas.paint(flat, "frame")
    canvas.paint(plot(columns, -top, top, tall, symbols), "ours")
    zero = next(number for number, text in enumerate(flat) if text.strip())
    labels = {zero: "0", 0: f.signed_shares(top), tall - 1: f.signed_shares(-top)}
    return (*canvas.rows(labels), _hours(nets[0][0], nets[-1][0], cells))
