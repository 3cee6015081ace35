"""The ladder of the selected market, with what each desk rests and wishes in it, and what is ahead of that in the queue."""

import math
from collections.abc import Callable, Sequence
from itertools import accumulate

from msgspec import Struct

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.core.units import SHARE, Size
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import desk_word, letter, sides
from pmm_tui.tui.rows.fresh import aged, blind, fresher, heard, lost_word, priced, seen_ms, stale_for, unseen
from pmm_tui.tui.rows.lines import Panel, Row, Span, flow
from pmm_tui.tui.rows.rungs import Own, Owns, Rung, as_no, owns, rungs
from pmm_tui.tui.signs import mark
from pmm_tui.tui.state import OVER, Scene
from pmm_tui.tui.words import reason as reason
from pmm_tui.tui.words import short

TWO_EDGES, QUEUES = 42, 54
"""From these widths on the ladder shows both desks, and what is ahead of us in the queue."""

STATES = {
    "quoting": ("●", "up"),
    "held": ("■", "warn"),
    "stale": ("!", "down"),
    "paused": ("▌", "warn"),
    "waiting": ("…", "dim"),
    "warming": ("…", "dim"),
    "closing": ("»", "warn"),
    "closed": ("·", "dim"),
    "resolved": ("✔", "dim"),
    "killing": ("✖", "down"),
    "killed": ("✖", "down"),
}


LOUD = ("stale", "killing", "killed")


def state_span(row: MarketRow, width: int = 10) -> Span:
    """A market's state in a glyph and a word."""
    glyph, style = STATES.get(row.state, ("?", "warn"))
    word = row.state.upper() if row.state in LOUD else row.state
    return (f.said(f"{glyph} {word}", width), style)


def state_of(one: Scene, row: MarketRow, width: int = 10) -> Span:
    """A market's state on a desk that may no longer be heard, or vouch for its quotes: what it was then is not what it is now."""
    if one.lost:
        return (f.fit("■ ended", width), "dim") if one.link.ended else (f.fit("? UNKNOWN", width), "alarm")
    return (f.fit("? quoting", width), "warn") if row.state == "quoting" and blind(one, row) else state_span(row, width)


def spread(row: MarketRow) -> str:
    """Between the touches, in ticks; – where a side is missing."""
    bid = next((level.price for level in row.bids if level.size), None)
    ask = next((level.price for level in row.asks if level.size), None)
    if bid is None or ask is None or row.tick <= 0:
        return f.NONE
    return f"{(ask - bid) / row.tick:g}t"


HATCH = 5
"""Cells of the hatch that stands where a killed desk would quote."""


def hatch(scene: Scene) -> Span:
    """What stands where this desk would quote, once its kill switch has tripped."""
    return (("/" if scene.symbols == "ascii" else "╱") * HATCH, "down")


class _Shape(Struct, frozen=True):
    """Widths of the ladder, fixed by its pane: an edge for our orders, a half for a side of the book; how many levels a side."""

    two: bool
    edge: int
    half: int
    queue: bool
    cum: bool
    above: int
    below: int
    probability: bool
    log: bool
    dead: tuple[Span | None, Span | None]
    """The hatch of each edge whose desk was killed."""
    old: tuple[bool, bool]
    """Whether what stands on each edge is only what its desk last told."""
    stale: str
    """How old the book is, where that is too old."""


def _shape(scene: Scene, width: int, height: int) -> _Shape:
    two = scene.beside is not None and width >= TWO_EDGES
    queue = width >= QUEUES
    edge = 17 if width >= 80 else 13 if queue else 8 if two else 7
    room = max(2, height - 4)
    above, below = room // 2, room - room // 2
    if scene.depth:
        above, below = min(above, scene.depth), min(below, scene.depth)
    half = (width - 9) // 2 - edge
    ones = sides(scene) if two else (scene, scene)
    left, right = (hatch(one) if one.stopped else None for one in ones)
    old = (ones[0].lost and scene.beside is not None, ones[1].lost and scene.beside is not None)
    return _Shape(
        two, edge, half, queue, half >= 22, above, below, scene.probability, scene.log_bars, (left, right), old, stale_for(fresher(scene))
    )


def _edge(own: Own, level: int, shape: _Shape, left: bool, bids: bool) -> Span:
    """Our size at a price, beside the book: ▸ resting, ? perhaps, + wished but not resting, x withheld; and what is ahead in the queue.

    A killed desk has a hatch there, but what of it still rests is told, and loudly: so is, with !, what others rest with our wallet.
    """
    width, dead = shape.edge, shape.dead[not left]
    if rests := own.ours + own.foreign:
        mark = "!" if own.foreign else "?" if own.unsure else "▸" if left else "◂"
        text = f"{mark}{f.shares(rests)}" if left else f"{f.shares(rests)}{mark}"
        style = "alarm" if dead else "dim" if shape.old[not left] else "alarm" if own.foreign else "warn" if own.unsure else "ours"
    elif dead is not None and (shape.two or left is bids):
        return (f.fit(dead[0], width, ">" if left else "<"), dead[1])
    elif own.wish:
        text, style = (f"x{f.shares(own.wish)}", "warn") if own.held else (f"+{f.shares(own.wish)}", "wish")
        style = "dim" if shape.old[not left] else style
    else:
        return (" " * width, "")
    if not shape.queue:
        return (f.fit(text, width, ">" if left else "<"), style)
    queue = ""
    if own.ours and own.ahead >= 0:
        queue = f"{f.brief(own.ahead)}/{f.brief(level)}" if width >= 17 else f.brief(own.ahead)
    rest = width - 7
    return (f.fit(queue, rest, "<") + f.fit(text, 7, ">") if left else f.fit(text, 7) + f.fit(queue, rest, ">"), style)


def _bar(size: int, top: int, width: int, bids: bool, log: bool) -> str:
    part = math.log1p(size / SHARE) / math.log1p(top / SHARE) if log and top else size / top if top else 0.0
    halves = max(1, round(2 * width * part)) if size else 0
    full, half = divmod(halves, 2)
    text = ("▐" if bids else "▌") * half
    return f.fit(text + "█" * full, width, ">") if bids else f.fit("█" * full + text, width)


def _rung_row(rung: Rung, cum: int, top: int, shape: _Shape, tick: int, bids: bool) -> Row:
    """One price of the book between the edges; `cum`: shares from the touch to here."""
    total = 7 if shape.cum else 0
    bar = _bar(rung.size, top, max(0, shape.half - 8 - total), bids, shape.log)
    number = f.fit(f.shares(rung.size) if rung.size else "", 6, ">")
    sum_ = f.fit(f.shares(Size(cum)), 6, ">") if shape.cum else ""
    price = f"│{f.fit(f.cents(rung.price, tick, shape.probability), 7, '^')}│"
    marked = "ours" if rung.left.ours or rung.right.ours else "bold"
    left, right = _edge(rung.left, rung.size, shape, True, bids), _edge(rung.right, rung.size, shape, False, bids)
    blank = " " * shape.half
    if bids:
        book: Row = ((f" {bar}", "bidbar"), (f" {number}", "bid"), (f" {sum_}" if sum_ else "", "dim"), (price, marked), (blank, ""))
    else:
        book = ((blank, ""), (price, marked), (f"{sum_} " if sum_ else "", "dim"), (f"{number} ", "ask"), (f"{bar} ", "askbar"))
    return (left, *(((text, "dim") for text, _ in book) if shape.stale else book), right)


def _middle(row: MarketRow, width: int, probability: bool, stale: str) -> Row:
    """The line between the sides: mid, microprice, spread, imbalance; before them how old they are where that is too old."""
    if not math.isfinite(row.mid):
        none = f.clean(row.why) or row.state if row.state in OVER else "no two-sided book"
        return _centred(f" {short(f'{stale}  {none}'.strip(), min(width - 4, 48))} ", width, "alarm" if stale else "mid")
    mid, micro = (f.cents_of(value, 2, probability) for value in (row.mid, row.micro))
    items = [*([stale] if stale else []), f"mid {mid}", f"micro {micro}", f"spread {spread(row)}", f"imb {row.imbalance:+.2f}"]
    while items and len("  ".join(items)) + 6 > width:
        items.pop()
    return _centred(f" {'  '.join(items)} ", width, "alarm" if stale else "mid")


def _centred(text: str, width: int, style: str) -> Row:
    dashes = max(0, width - len(text))
    return (("─" * (dashes // 2), "frame"), (text, style), ("─" * (dashes - dashes // 2), "frame"))


def _pricing(row: MarketRow, width: int, probability: bool) -> Row:
    fair, centre, half, noise = (f.cents_of(value, 2, probability) for value in (row.fair, row.centre, row.half_spread, row.sigma))
    known = math.isfinite(row.centre)
    source = "" if row.sigma_source == "estimate" else f.said(row.sigma_source, 8).strip()
    sigma = f"{noise}{'' if probability else '¢'}/√s {source}".rstrip() if math.isfinite(row.sigma) else f.NONE
    return flow(
        (
            ("fair", fair, "bold" if known else "dim"),
            ("centre", centre, ""),
            ("half", half if known else f.NONE, ""),
            ("σ", sigma, "warn" if source else ""),
        ),
        width,
    )


def _health(one: Scene, row: MarketRow, width: int) -> Row:
    """How far the book `row` of a desk can be believed; its age is that of now, the desk's own silence included."""
    health = row.health
    items = [
        ("age", f.age(seen_ms(one) / 1000) if health.age_ms >= 0 else f.NONE, "down" if stale_for(one) else ""),
        ("hash ok", f.count(health.verified), "up" if health.verified else "dim"),
        ("bad", f.count(health.mismatched), "warn" if health.mismatched else "dim"),
        ("n/a", f.count(health.unverifiable), "dim"),
        ("late", f.count(health.stale_frames), "dim"),
        ("resync", f.count(health.resyncs), "warn" if health.resyncs else "dim"),
    ]
    if health.crossed:
        items.insert(0, ("", "CROSSED BOOK", "alarm"))
    return flow(items, width)


def _head(scene: Scene, shape: _Shape) -> Row:
    """The names of the columns, and whose orders stand on which edge."""
    centre: Row = ((f"{f.fit('bid size', shape.half, '>')}│{f.fit('price', 7, '^')}│{f.fit('ask size', shape.half)}", "head"),)
    if not shape.two:
        text = ("ahead", "ours") if shape.queue else ("", "ours")
        left = f.fit(text[0], shape.edge - 7) + f.fit(text[1], 7, ">")
        return ((left, "head"), *centre, (f.fit(text[1], 7) + f.fit(text[0], shape.edge - 7, ">"), "head"))
    names: list[Span] = []
    for one in sides(scene):
        gone, tone = lost_word(one)
        known = f.first_fit(shape.edge - 2, f"{desk_word(one)} {gone}".rstrip(), gone or letter(one))
        word = f" {known} "
        names.append((word, tone or mark(one)[1]))
    rest = [shape.edge - len(text) for text, _ in names]
    left, right = ("ahead ours", "ours ahead") if min(rest) >= 10 else ("ours", "ours") if min(rest) >= 5 else ("", "")
    return (names[0], (f.fit(left, rest[0], ">"), "head"), *centre, (f.fit(right, rest[1]), "head"), names[1])


def _sides_of(scene: Scene, row: MarketRow, shape: _Shape, bids: bool) -> list[Rung]:
    """One side of the ladder with both edges: one desk's bids left and asks right, or two desks on an edge each."""
    levels = row.bids if bids else row.asks
    if not shape.two:
        mine = _owned(scene, bids, scene.no_side)
        return rungs(levels, mine if bids else {}, {} if bids else mine, bids)
    left, right = (_owned(one, bids, scene.no_side) for one in sides(scene))
    return rungs(levels, left, right, bids)


def _owned(one: Scene, bids: bool, no_side: bool) -> Owns:
    """What one desk has or wants on one side of the selected market."""
    row = one.market
    if row is None or one.frame is None:
        return {}
    snapshot = one.frame.snapshot
    return owns(as_no(row) if no_side else row, snapshot.orders, bids, snapshot.at, unseen(one))


def _rows(row: MarketRow, asks: list[Rung], bids: list[Rung], shape: _Shape, shift: int, width: int) -> tuple[list[Row], int, int]:
    """The prices that the window shows; how far it was really moved; how many of our prices it leaves out."""
    shift = min(max(shift, min(0, shape.above - len(asks))), max(0, len(bids) - shape.below))
    first = len(asks) - shape.above + shift
    last = first + shape.above + 1 + shape.below
    prices = [(rung, cum, False) for rung, cum in zip(asks, accumulate(rung.size for rung in asks), strict=True)][::-1]
    below = [(rung, cum, True) for rung, cum in zip(bids, accumulate(rung.size for rung in bids), strict=True)]
    lines = [*prices, None, *below]
    seen = lines[max(0, first) : last]
    top = max((line[0].size for line in seen if line is not None), default=0)
    middle = _middle(row, width, shape.probability, shape.stale)
    rows = [_rung_row(line[0], line[1], top, shape, row.tick, line[2]) if line is not None else middle for line in seen]
    rest = [*lines[: max(0, first)], *lines[last:]]
    return [()] * max(0, -first) + rows, shift, sum(1 for line in rest if line is not None and (line[0].left.ours or line[0].right.ours))


def _note(scene: Scene, ones: Sequence[Scene], row: MarketRow, moved: str, hidden: int, width: int) -> str:
    """The signs, those of trouble first where there is little room, and what of the chosen view is not seen at once."""
    last = f"last {f.cents(row.last, row.tick, scene.probability)}" if row.last else ""
    unsure = "? not confirmed" * any(blind(one, row) for one in ones)
    withheld = "x held" * any(quote.held for one in ones if one.market is not None for quote in one.market.quotes)
    orders = (order for one in ones if one.frame is not None for order in one.frame.snapshot.orders)
    foreign = "! not ours" * any(order.status == "EXTERNAL" and order.market == row.id for order in orders)
    lead = [moved, f"{hidden} of ours further out" if hidden else "", "log bars" if scene.log_bars else ""]
    told = (
        ("▸ ours  + wish  x held", foreign, unsure, last), (withheld, foreign, unsure, last), (foreign, withheld, unsure),
        (foreign, unsure), (foreign or unsure,), (),
    )  # fmt: skip
    return f.first_fit(width - 2, *("  ".join(part for part in (*lead, *tail) if part) for tail in told)).rstrip()


def _silent(ones: Sequence[Scene], width: int) -> Row:
    """Why a desk does not quote here, for each that does not in one line; empty where all do."""
    quiet = [(one, one.market) for one in ones if one.market is not None and one.market.state != "quoting" and not one.lost]
    spans: list[Span] = []
    for one, row in quiet:
        state, style = state_span(row)
        room = (width - 1) // len(quiet) - 1
        whose = f"{letter(one)} " if one.beside is not None or len(ones) > 1 else ""
        spans.append((f.fit(short(f"{whose}{state.strip()}: {reason(row)}", room), room) + " ", style))
    return tuple(spans)


def _line_of(one: Scene, many: bool, width: int, make: Callable[[int], Row]) -> Row:
    """A line of one desk's figures: whose they are where there are two desks, dim where that one is no longer heard."""
    if not many:
        return make(width)
    return aged(one, ((letter(one), mark(one)[1]), (" ", ""), *make(width - 2)))


def ladder(scene: Scene, width: int, height: int) -> Panel:
    """The selected market's book: asks above, bids below, what is ours on the edges, the reasons of our price under it.

    With two desks, paper's orders stand on the left edge and production's on the right.
    """
    scene = heard(scene)
    row = scene.market
    if row is None:
        return Panel("Ladder", [((" no market selected", "dim"),)])
    source, many = fresher(scene), scene.beside is not None
    row, book = priced(row), priced(source.market or row)
    row, book = (as_no(row), as_no(book)) if scene.no_side else (row, book)
    shape = _shape(scene, width, height)
    asks, bids = _sides_of(scene, book, shape, False), _sides_of(scene, book, shape, True)
    made, shift, hidden = _rows(book, asks, bids, shape, scene.shift, width)
    rows: list[Row] = [_head(scene, shape), *made]
    rows += [()] * (height - len(rows) - 2)
    ones = sides(scene) if shape.two else (scene,)
    foot = [_silent(ones, width), _line_of(source, many, width, lambda room: _health(source, book, room))]
    foot[0] = foot[0] or _line_of(scene, many, width, lambda room: _pricing(row, room, scene.probability))
    moved = f"{abs(shift)} {'below' if shift > 0 else 'above'} the middle, c centres" if shift else ""
    name = moved if moved and width < TWO_EDGES + 9 else row.question
    title = f"{f.middle(name, max(8, width - 9)).strip()} · {f.said(row.outcomes[0], 8).strip()}"
    return Panel(title, [*rows, *foot], _note(scene, ones, row, moved * (name != moved), hidden, width))
