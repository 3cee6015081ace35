"""The markets table, one line a market; and what has become of a market that is over."""

from msgspec import Struct

from pmm_tui.core.snapshot import LevelRow, MarketRow
from pmm_tui.core.units import ONE, SECOND, Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import sides
from pmm_tui.tui.rows.ladder import ladder as ladder
from pmm_tui.tui.rows.ladder import spread, state_span
from pmm_tui.tui.rows.lines import Panel, Row, Span, exact, length, matches, tinted, wrap
from pmm_tui.tui.state import OVER, Scene, why_lost

TWO_TABLES = 140
"""Two desks fit into one table from here on."""


def _own(levels: tuple[LevelRow, ...], tick: int) -> str:
    """Our best order on a side, as price and size; – where there is none."""
    for level in levels:
        if level.ours:
            return f"{f.cents(level.price, tick)}×{f.shares(level.ours)}"
    return f.NONE


def _pnl(row: MarketRow) -> Span:
    made = row.realised + row.unrealised
    return (f.fit(f.signed_usd(Cash(made)), 9, ">"), "up" if made > 0 else "down" if made < 0 else "")


class _Columns(Struct, frozen=True):
    """Widths fixed by the pane, never by what is in it."""

    name: int
    quote: int
    why: int
    wide: bool
    two: bool = False


def _columns(width: int, two: bool) -> _Columns:
    if two and width >= TWO_TABLES:
        rest = width - 120
        name = max(16, rest * 3 // 5)
        return _Columns(name, 9, max(0, rest - name), True, True)
    if width >= 110:
        rest = width - 92
        quote = 12 if width >= 140 else 9
        rest += 24 - 2 * quote
        name = max(16, rest * 12 // 20)
        return _Columns(name, quote, max(0, rest - name), True)
    rest = width - 45
    name = max(14, rest * 7 // 10)
    return _Columns(name, 0, max(0, rest - name), False)


def _block(row: MarketRow | None, quote: int) -> list[Span]:
    """What one desk quotes, holds and has made in a market, in a fixed width."""
    if row is None:
        return [(f" {f.fit('–  not watched there', 2 * quote + 21)}", "dim")]
    bid, ask, net = _own(row.bids, row.tick), _own(row.asks, row.tick), row.yes - row.no
    quoted = "ours" if bid != f.NONE or ask != f.NONE else "dim"
    return [
        (f" {f.fit(bid, quote, '>')} {f.fit(ask, quote, '>')}", quoted),
        (f" {f.fit(f.signed_shares(net), 8, '>')}", "bold" if net else "dim"),
        (" ", ""),
        _pnl(row),
    ]


def _both_head(at: _Columns) -> Row:
    """Column names where two desks stand in one table."""
    names = f" {f.fit('bid', at.quote, '>')} {f.fit('ask', at.quote, '>')} {f.fit('net', 8, '>')} {f.fit('pnl', 9, '>')}"
    lead = f"  {f.fit('market', at.name)}   ends    mid   spr "
    return ((lead, "head"), ("P", "paper"), (names[1:], "head"), (" │", "frame"), ("L", "live"), (names[1:], "head"), ("   state", "head"))


def _both_line(row: MarketRow, other: MarketRow | None, at: _Columns, left: bool, selected: bool, now: int) -> Row:
    """A market as two desks see it: paper's numbers left, production's right, and the state of the one that is worse off."""
    ends = f.left((row.closes - now) / SECOND) if row.closes else f.NONE
    lead: list[Span] = [
        ("▶ " if selected else "  ", "ours"),
        (f.middle(row.question, at.name), "bold" if selected else ""),
        (f" {f.fit(ends, 6, '>')} {f.fit(f.cents_of(row.mid), 6, '>')} {f.fit(spread(row), 5, '>')}", ""),
    ]
    desks = (row, other) if left else (other, row)
    states = [one.state if one is not None else "" for one in desks]
    silent = next(((name, one) for name, one in zip("PL", desks, strict=True) if one is not None and one.state != "quoting"), None)
    told: Row = (state_span(row),)
    if silent is not None and states[0] != states[1]:
        word, style = state_span(silent[1], 12)
        told = ((f"{silent[0]}: ", style), (word.rstrip(), style))
    why = silent[1].why if silent is not None else ""
    room = at.why + 10 - length(told)
    block = (*_block(desks[0], at.quote), (" │", "frame"), *_block(desks[1], at.quote), ("  ", ""))
    return (*lead, *block, *told, (f" {f.said(why, max(0, room))}", "warn"))


def _table_head(at: _Columns) -> Row:
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
        spans.append((f" {f.fit(spread(row), 5, '>')}", ""))
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
    rows = [row for row in frame.snapshot.markets if matches(scene.filter, f.clean(row.question))]
    chosen = scene.market
    selected = next((number for number, row in enumerate(rows) if chosen is not None and row.id == chosen.id), -1)
    at = _columns(width, scene.beside is not None)
    room = max(1, height - 1)
    first = max(0, min(max(0, selected) - room // 2, len(rows) - room))
    made: list[Row] = [_both_head(at) if at.two else _table_head(at)]
    others = (
        {row.id: row for row in scene.beside.frame.snapshot.markets} if scene.beside is not None and scene.beside.frame is not None else {}
    )
    left = sides(scene)[0] is scene
    for number, row in enumerate(rows[first : first + room], start=first):
        if at.two:
            made.append(exact(_both_line(row, others.get(row.id), at, left, number == selected, frame.snapshot.at), width))
        else:
            made.append(exact(_line(row, at, number == selected, frame.snapshot.at), width))
        if number == selected:
            made[-1] = tinted(made[-1], "sel")
    if not rows:
        nothing = "nothing matches the filter" if frame.snapshot.markets else "no market yet: discovery has chosen none"
        made.append(((f"  {nothing}", "dim"),))
    hidden = f"{first + 1}-{min(len(rows), first + room)} of {len(rows)}   " if len(rows) > room else ""
    name = f"Markets {len(rows)}" + (f"  filter {scene.filter}" if scene.filter else "")
    return Panel(name, made, f"{hidden}↑↓ select   f flatten   p pause one" if len(rows) > 1 else "")


def payout_text(row: MarketRow) -> str:
    """How a resolved market ended."""
    if row.payout_yes is None:
        return ""
    if row.payout_yes in (0, ONE):
        return f"{f.said(row.outcomes[0 if row.payout_yes else 1], 10).strip()} won"
    return f"split, {f.cents(row.payout_yes)}¢ each"
