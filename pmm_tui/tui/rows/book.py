"""The markets table, and the ladder of the selected market with our orders and wishes in it."""

import math

from msgspec import Struct

from pmm_tui.core.snapshot import LevelRow, MarketRow, QuoteRow
from pmm_tui.core.units import ONE, SECOND, Cash, Price
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.lines import Panel, Row, Span, exact, flow, tinted, wrap
from pmm_tui.tui.state import OVER, Scene, why_lost

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


def _own(levels: tuple[LevelRow, ...], tick: int) -> str:
    """Our best order on a side, as price and size; – where there is none."""
    for level in levels:
        if level.ours:
            return f"{f.cents(level.price, tick)}×{f.shares(level.ours)}"
    return f.NONE


def _pnl(row: MarketRow) -> Span:
    made = row.realised + row.unrealised
    return (f.fit(f.signed_usd(Cash(made)), 9, ">"), "up" if made > 0 else "down" if made < 0 else "")


def _spread(row: MarketRow) -> str:
    bid = next((level.price for level in row.bids if level.size), None)
    ask = next((level.price for level in row.asks if level.size), None)
    if bid is None or ask is None or row.tick <= 0:
        return f.NONE
    return f"{(ask - bid) / row.tick:g}t"


class _Columns(Struct, frozen=True):
    """Widths fixed by the pane, never by what is in it."""

    name: int
    quote: int
    why: int
    wide: bool


def _columns(width: int) -> _Columns:
    if width >= 110:
        rest = width - 92
        name = max(16, rest * 11 // 20)
        return _Columns(name, 12, max(0, rest - name), True)
    rest = width - 45
    name = max(14, rest * 7 // 10)
    return _Columns(name, 0, max(0, rest - name), False)


def _head(at: _Columns) -> Row:
    quotes = f"   spr {f.fit('our bid', at.quote, '>')} {f.fit('our ask', at.quote, '>')}" if at.wide else ""
    more = " fills   age" if at.wide else ""
    text = f"  {f.fit('market', at.name)}   ends    mid{quotes}   net pos       pnl{more}  {f.fit('state', 10)}"
    return ((text + (" why" if at.why > 4 else ""), "head"),)


def _line(row: MarketRow, at: _Columns, selected: bool, now: int) -> Row:
    net = row.yes - row.no
    ends = f.left((row.closes - now) / SECOND) if row.closes else f.NONE
    spans: list[Span] = [
        ("▶ " if selected else "  ", "ours"),
        (f.middle(row.question, at.name), "bold" if selected else ""),
        (f" {f.fit(ends, 6, '>')} {f.fit(f.cents_of(row.mid), 6, '>')}", ""),
    ]
    if at.wide:
        spans.append((f" {f.fit(_spread(row), 5, '>')}", ""))
        bid, ask = _own(row.bids, row.tick), _own(row.asks, row.tick)
        spans.append((f" {f.fit(bid, at.quote, '>')} {f.fit(ask, at.quote, '>')}", "ours" if bid != f.NONE or ask != f.NONE else "dim"))
    spans += [(f" {f.fit(f.signed_shares(net), 9, '>')}", "bold" if net else "dim"), (" ", ""), _pnl(row)]
    if at.wide:
        spans.append((f" {f.fit(f.count(row.fills), 5, '>')}", ""))
        age = f.age(row.health.age_ms / 1000) if row.health.age_ms >= 0 and row.state not in OVER else f.NONE
        spans.append((f" {f.fit(age, 5, '>')}", "down" if row.state == "stale" else "dim"))
    spans += [("  ", ""), state_span(row)]
    spans.append((f" {f.said(row.why, max(0, at.why - 1))}", "warn" if row.state != "quoting" else "dim"))
    return tuple(spans)


def markets(scene: Scene, width: int, height: int) -> Panel:
    """Every market on one line each, the selected one marked; scrolls to keep it in sight."""
    frame = scene.frame
    if frame is None:
        return Panel("Markets", [((f"  {line}", "warn"),) for line in wrap(why_lost(scene.link), width - 4, 2)])
    rows = frame.snapshot.markets
    at = _columns(width)
    room = max(1, height - 1)
    first = max(0, min(scene.selected - room // 2, len(rows) - room))
    made: list[Row] = [_head(at)]
    for number, row in enumerate(rows[first : first + room], start=first):
        line = exact(_line(row, at, number == scene.selected, frame.snapshot.at), width)
        made.append(tinted(line, "sel") if number == scene.selected else line)
    if not rows:
        made.append((("  no market yet: discovery has chosen none", "dim"),))
    hidden = f"{first + 1}-{min(len(rows), first + room)} of {len(rows)}   " if len(rows) > room else ""
    return Panel(f"Markets {len(rows)}", made, f"{hidden}↑↓ select   f flatten   p pause one" if len(rows) > 1 else "")


class Rung(Struct, frozen=True):
    """One price of the ladder: the market's size, what we have resting there, what we wish there, and whether that wish is held."""

    price: Price
    size: int
    ours: int
    wish: int
    held: bool


def rungs(levels: tuple[LevelRow, ...], quotes: tuple[QuoteRow, ...], bids: bool) -> list[Rung]:
    """A side of the ladder, best first: every level of the book and every price that we wish to quote."""
    sizes = {level.price: (level.size, level.ours) for level in levels}
    wishes: dict[Price, tuple[int, bool]] = {}
    for quote in quotes:
        if (quote.side == "BUY") == bids:
            before, held = wishes.get(quote.price, (0, True))
            wishes[quote.price] = (before + quote.size, held and bool(quote.held))
    prices = sorted(sizes.keys() | wishes.keys(), reverse=bids)
    return [Rung(price, *sizes.get(price, (0, 0)), *wishes.get(price, (0, False))) for price in prices]


def _mine(rung: Rung, width: int, bids: bool) -> Span:
    """Our own size at a price: ▸ resting, + wished but not resting, x withheld."""
    if rung.ours:
        text, style = f"{f.shares(rung.ours)}", "ours"
        text = f"▸{text}" if bids else f"{text}◂"
    elif rung.wish:
        text, style = (f"x{f.shares(rung.wish)}", "warn") if rung.held else (f"+{f.shares(rung.wish)}", "wish")
    else:
        return (" " * width, "")
    return (f.fit(text, width, ">" if bids else "<"), style)


def _bar(size: int, top: int, width: int, bids: bool) -> str:
    halves = round(2 * width * size / top) if top else 0
    halves = max(1, halves) if size else 0
    full, half = divmod(halves, 2)
    text = ("▐" if bids else "▌") * half
    return f.fit(text + "█" * full, width, ">") if bids else f.fit("█" * full + text, width)


def _rung_row(rung: Rung, top: int, half: int, tick: int, bids: bool) -> Row:
    mine = 7
    bar = max(0, half - mine - 9)
    number = f.fit(f.shares(rung.size) if rung.size else "", 6, ">")
    price = f"│{f.fit(f.cents(rung.price, tick), 7, '^')}│"
    marked = "ours" if rung.ours else "bold"
    blank = " " * half
    if bids:
        side: Row = (_mine(rung, mine, True), (" " + _bar(rung.size, top, bar, True), "bidbar"), (f" {number} ", "bid"))
        return (*side, (price, marked), (blank, ""))
    side = ((f" {number} ", "ask"), (_bar(rung.size, top, bar, False) + " ", "askbar"), _mine(rung, mine, False))
    return ((blank, ""), (price, marked), *side)


def _middle(row: MarketRow, width: int) -> Row:
    """The line between the sides: mid, microprice, spread, imbalance."""
    if not math.isfinite(row.mid):
        return _centred(" no two-sided book ", width)
    items = [f"mid {f.cents_of(row.mid)}", f"micro {f.cents_of(row.micro)}", f"spread {_spread(row)}", f"imb {row.imbalance:+.2f}"]
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


def ladder(scene: Scene, width: int, height: int) -> Panel:
    """The selected market's book: asks above, bids below, our orders on the outer edges, the reasons of our price under it."""
    row = scene.market
    if row is None:
        return Panel("Ladder", [((" no market selected", "dim"),)])
    asks, bids = rungs(row.asks, row.quotes, False), rungs(row.bids, row.quotes, True)
    half = (width - 9) // 2
    room = max(2, height - 4)
    above, below = room // 2, room - room // 2
    top = max((rung.size for rung in (*asks[:above], *bids[:below])), default=0)
    head: Row = (
        (f"{f.fit('ours', 7, '>')}{f.fit('bid size', half - 8, '>')} │{f.fit('price', 7, '^')}│", "head"),
        (f" {f.fit('ask size', half - 8)}{f.fit('ours', 7)}", "head"),
    )
    if row.state != "quoting":
        state, style = state_span(row)
        head = ((f"{state.strip()}: {f.clean(row.why) or 'no reason given'}", style),)
    rows: list[Row] = [head]
    rows += [()] * (above - len(asks[:above]))
    rows += [_rung_row(rung, top, half, row.tick, False) for rung in reversed(asks[:above])]
    rows.append(_middle(row, width))
    rows += [_rung_row(rung, top, half, row.tick, True) for rung in bids[:below]]
    rows += [()] * (below - len(bids[:below]))
    rows += [_pricing(row, width), _health(row, width)]
    hidden = sum(1 for rung in (*asks[above:], *bids[below:]) if rung.ours)
    last = f"last {f.cents(row.last, row.tick)}" if row.last else ""
    parts = [f"{hidden} of ours further out" if hidden else "", "▸ ours  + wish  x held", last]
    if hidden and width < 64:
        parts.pop(1)
    note = "  ".join(part for part in parts if part)
    title = f"{f.middle(row.question, max(8, width - 9)).strip()} · {f.said(row.outcomes[0], 8).strip()}"
    return Panel(title, rows, note)


def payout_text(row: MarketRow) -> str:
    """How a resolved market ended."""
    if row.payout_yes is None:
        return ""
    if row.payout_yes in (0, ONE):
        return f"{f.said(row.outcomes[0 if row.payout_yes else 1], 10).strip()} won"
    return f"split, {f.cents(row.payout_yes)}¢ each"
