"""The ladder of the selected market, with what each desk rests and wishes in it, and what is ahead of that in the queue."""

import math
from itertools import accumulate

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.core.snapshot import LevelRow, MarketRow, OrderRow
from pmm_tui.core.units import ONE, Price, Size
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import desk_word, letter, sides
from pmm_tui.tui.rows.lines import Panel, Row, Span, flow
from pmm_tui.tui.state import Scene

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
    "killed": ("✖", "down"),
}


def state_span(row: MarketRow, width: int = 10) -> Span:
    """A market's state in a glyph and a word."""
    glyph, style = STATES.get(row.state, ("?", "warn"))
    word = row.state.upper() if row.state in ("stale", "killed") else row.state
    return (f.said(f"{glyph} {word}", width), style)


def spread(row: MarketRow) -> str:
    """Between the touches, in ticks; – where a side is missing."""
    bid = next((level.price for level in row.bids if level.size), None)
    ask = next((level.price for level in row.asks if level.size), None)
    if bid is None or ask is None or row.tick <= 0:
        return f.NONE
    return f"{(ask - bid) / row.tick:g}t"


class Own(Struct, frozen=True):
    """What one desk has at a price: resting, at most this much ahead of it in the queue (-1: unknown), wished, and whether that is held."""

    ours: Size = Size(0)
    ahead: Size = Size(-1)
    wish: Size = Size(0)
    held: bool = False


NOTHING = Own()


class Rung(Struct, frozen=True):
    """One price of the ladder: the market's size there, and what is ours on each edge of the ladder."""

    price: Price
    size: Size
    left: Own
    right: Own


Owns = dict[Price, Own]


def owns(row: MarketRow, orders: tuple[OrderRow, ...], bids: bool) -> Owns:
    """What a desk has or wants on one side of a market, by price, in the terms of `row`."""
    made = {level.price: Own(ours=level.ours) for level in (row.bids if bids else row.asks) if level.ours}
    for order in orders:
        same = order.outcome == row.outcomes[0]
        price = order.price if same else Price(ONE - order.price)
        if order.market == row.id and (order.side == "BUY") == (same is bids) and price in made and order.ahead >= 0:
            known = made[price].ahead
            made[price] = replace(made[price], ahead=order.ahead if known < 0 else min(known, order.ahead))
    for quote in row.quotes:
        if (quote.side == "BUY") == bids:
            own = made.get(quote.price, NOTHING)
            made[quote.price] = replace(own, wish=Size(own.wish + quote.size), held=bool(quote.held) and (own.held or not own.wish))
    return made


def rungs(levels: tuple[LevelRow, ...], left: Owns, right: Owns, bids: bool) -> list[Rung]:
    """A side of the ladder, best first: every level of the book and every price at which a desk rests or wants to."""
    sizes = {level.price: level.size for level in levels}
    prices = sorted(sizes.keys() | left.keys() | right.keys(), reverse=bids)
    return [Rung(price, sizes.get(price, Size(0)), left.get(price, NOTHING), right.get(price, NOTHING)) for price in prices]


def as_no(row: MarketRow) -> MarketRow:
    """The same market seen from its other outcome: a bid for YES at p is an ask for NO at 1 - p."""

    def turned(levels: tuple[LevelRow, ...]) -> tuple[LevelRow, ...]:
        return tuple(replace(level, price=Price(ONE - level.price)) for level in levels)

    return replace(
        row,
        outcomes=(row.outcomes[1], row.outcomes[0]),
        bids=turned(row.asks),
        asks=turned(row.bids),
        mid=1 - row.mid,
        micro=1 - row.micro,
        imbalance=-row.imbalance,
        fair=1 - row.fair,
        centre=1 - row.centre,
        last=Price(ONE - row.last) if row.last else row.last,
        quotes=tuple(replace(one, side=one.side.other, price=Price(ONE - one.price)) for one in row.quotes),
        trades=tuple(replace(one, side=one.side.other, price=Price(ONE - one.price)) for one in row.trades),
        yes=row.no,
        no=row.yes,
    )


class _Shape(Struct, frozen=True):
    """Widths of the ladder, fixed by its pane: an edge for our orders, a half for a side of the book; how many levels a side."""

    two: bool
    edge: int
    half: int
    queue: bool
    cum: bool
    above: int
    below: int


def _shape(scene: Scene, width: int, height: int) -> _Shape:
    two = scene.beside is not None and width >= TWO_EDGES
    queue = width >= QUEUES
    edge = 17 if width >= 80 else 13 if queue else 8 if two else 7
    room = max(2, height - 4)
    above, below = room // 2, room - room // 2
    if scene.depth:
        above, below = min(above, scene.depth), min(below, scene.depth)
    half = (width - 9) // 2 - edge
    return _Shape(two, edge, half, queue, half >= 22, above, below)


def _edge(own: Own, level: int, shape: _Shape, left: bool) -> Span:
    """Our size at a price, beside the book: ▸ resting, + wished but not resting, x withheld; and what is ahead of it in the queue."""
    width = shape.edge
    if own.ours:
        text, style = f"▸{f.shares(own.ours)}" if left else f"{f.shares(own.ours)}◂", "ours"
    elif own.wish:
        text, style = (f"x{f.shares(own.wish)}", "warn") if own.held else (f"+{f.shares(own.wish)}", "wish")
    else:
        return (" " * width, "")
    if not shape.queue:
        return (f.fit(text, width, ">" if left else "<"), style)
    queue = ""
    if own.ours and own.ahead >= 0:
        queue = f"{f.brief(own.ahead)}/{f.brief(level)}" if width >= 17 else f.brief(own.ahead)
    rest = width - 7
    return (f.fit(queue, rest, "<") + f.fit(text, 7, ">") if left else f.fit(text, 7) + f.fit(queue, rest, ">"), style)


def _bar(size: int, top: int, width: int, bids: bool) -> str:
    halves = round(2 * width * size / top) if top else 0
    halves = max(1, halves) if size else 0
    full, half = divmod(halves, 2)
    text = ("▐" if bids else "▌") * half
    return f.fit(text + "█" * full, width, ">") if bids else f.fit("█" * full + text, width)


def _rung_row(rung: Rung, cum: int, top: int, shape: _Shape, tick: int, bids: bool) -> Row:
    total = 7 if shape.cum else 0
    bar = max(0, shape.half - 8 - total)
    number = f.fit(f.shares(rung.size) if rung.size else "", 6, ">")
    sum_ = f.fit(f.shares(Size(cum)), 6, ">") if shape.cum else ""
    price = f"│{f.fit(f.cents(rung.price, tick), 7, '^')}│"
    marked = "ours" if rung.left.ours or rung.right.ours else "bold"
    left, right = _edge(rung.left, rung.size, shape, True), _edge(rung.right, rung.size, shape, False)
    blank = " " * shape.half
    if bids:
        book: Row = ((" " + _bar(rung.size, top, bar, True), "bidbar"), (f" {number}", "bid"), (f" {sum_}" if sum_ else "", "dim"))
        return (left, *book, (price, marked), (blank, ""), right)
    book = ((f"{sum_} " if sum_ else "", "dim"), (f"{number} ", "ask"), (_bar(rung.size, top, bar, False) + " ", "askbar"))
    return (left, (blank, ""), (price, marked), *book, right)


def _middle(row: MarketRow, width: int) -> Row:
    """The line between the sides: mid, microprice, spread, imbalance."""
    if not math.isfinite(row.mid):
        return _centred(" no two-sided book ", width)
    items = [f"mid {f.cents_of(row.mid)}", f"micro {f.cents_of(row.micro)}", f"spread {spread(row)}", f"imb {row.imbalance:+.2f}"]
    while items and len("  ".join(items)) + 6 > width:
        items.pop()
    return _centred(f" {'  '.join(items)} ", width)


def _centred(text: str, width: int) -> Row:
    dashes = max(0, width - len(text))
    return (("─" * (dashes // 2), "frame"), (text, "mid"), ("─" * (dashes - dashes // 2), "frame"))


def _pricing(row: MarketRow, width: int) -> Row:
    known = math.isfinite(row.centre)
    source = "" if row.sigma_source == "estimate" else f.said(row.sigma_source, 8).strip()
    sigma = f"{f.cents_of(row.sigma)}¢/√s {source}".rstrip() if math.isfinite(row.sigma) else f.NONE
    return flow(
        (
            ("fair", f.cents_of(row.fair), "bold" if known else "dim"),
            ("centre", f.cents_of(row.centre), ""),
            ("half", f"{f.cents_of(row.half_spread)}" if known else f.NONE, ""),
            ("σ", sigma, "warn" if source else ""),
        ),
        width,
    )


def _health(row: MarketRow, width: int) -> Row:
    health = row.health
    items = [
        ("age", f.age(health.age_ms / 1000) if health.age_ms >= 0 else f.NONE, "down" if row.state == "stale" else ""),
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
        word = f" {desk_word(one)} "
        if one.lost and one.frame is not None:
            word = f"{word}LOST " if shape.edge > 12 else " LOST "
        names.append((word, "alarm" if one.lost else "live" if one.live else "paper"))
    rest = [shape.edge - len(text) for text, _ in names]
    left, right = ("ahead ours", "ours ahead") if min(rest) >= 10 else ("ours", "ours") if min(rest) >= 4 else ("", "")
    return (names[0], (f.fit(left, rest[0], ">"), "head"), *centre, (f.fit(right, rest[1]), "head"), names[1])


def _sides_of(scene: Scene, row: MarketRow, shape: _Shape, bids: bool) -> list[Rung]:
    """One side of the ladder with both edges: one desk's bids left and asks right, or two desks on an edge each."""
    levels = row.bids if bids else row.asks
    if not shape.two:
        mine = owns(row, scene.frame.snapshot.orders if scene.frame is not None else (), bids)
        return rungs(levels, mine if bids else {}, {} if bids else mine, bids)
    edges: list[Owns] = []
    for one in sides(scene):
        other = one.market
        if other is None or one.frame is None:
            edges.append({})
        else:
            edges.append(owns(as_no(other) if scene.no_side else other, one.frame.snapshot.orders, bids))
    return rungs(levels, edges[0], edges[1], bids)


def ladder(scene: Scene, width: int, height: int) -> Panel:
    """The selected market's book: asks above, bids below, what is ours on the edges, the reasons of our price under it.

    With two desks, paper's orders stand on the left edge and production's on the right.
    """
    row = scene.market
    if row is None:
        return Panel("Ladder", [((" no market selected", "dim"),)])
    row = as_no(row) if scene.no_side else row
    shape = _shape(scene, width, height)
    asks, bids = _sides_of(scene, row, shape, False), _sides_of(scene, row, shape, True)
    above, below = asks[: shape.above], bids[: shape.below]
    top = max((rung.size for rung in (*above, *below)), default=0)
    head = _head(scene, shape)
    if row.state != "quoting" and not shape.two:
        state, style = state_span(row)
        head = ((f"{state.strip()}: {f.clean(row.why) or 'no reason given'}", style),)
    rows: list[Row] = [head, *[()] * (shape.above - len(above))]
    sums = list(accumulate(rung.size for rung in above))
    rows += [_rung_row(rung, cum, top, shape, row.tick, False) for rung, cum in zip(reversed(above), reversed(sums), strict=True)]
    rows.append(_middle(row, width))
    sums = list(accumulate(rung.size for rung in below))
    rows += [_rung_row(rung, cum, top, shape, row.tick, True) for rung, cum in zip(below, sums, strict=True)]
    rows += [()] * (height - len(rows) - 2)
    foot = [_pricing(row, width), _health(row, width)]
    for at, one in enumerate(sides(scene) if shape.two else ()):
        if one.market is not None and one.market.state != "quoting":
            state, style = state_span(one.market)
            foot[at] = ((f.fit(f"{letter(one)} {state.strip()}: {f.clean(one.market.why) or 'no reason given'}", width - 1), style),)
    rows += foot
    hidden = sum(1 for rung in (*asks[shape.above :], *bids[shape.below :]) if rung.left.ours or rung.right.ours)
    last = f"last {f.cents(row.last, row.tick)}" if row.last else ""
    parts = [f"{hidden} of ours further out" if hidden else "", "▸ ours  + wish  x held", last]
    if hidden and width < 64:
        parts.pop(1)
    title = f"{f.middle(row.question, max(8, width - 9)).strip()} · {f.said(row.outcomes[0], 8).strip()}"
    return Panel(title, rows, "  ".join(part for part in parts if part))
