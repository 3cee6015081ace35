"""The markets table, one line a market; and what has become of a market that is over."""

import math

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.core.snapshot import LevelRow, MarketRow
from pmm_tui.core.units import ONE, SECOND, Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.exposed import dark, exposed
from pmm_tui.tui.keys import Keys, applies, label
from pmm_tui.tui.rows.duo import desk_word, letter, sides
from pmm_tui.tui.rows.fresh import aged, blind, doubted, fresher, heard, lost_word, priced, seen_ms, stale_for
from pmm_tui.tui.rows.ladder import hatch, reason, spread, state_of
from pmm_tui.tui.rows.ladder import ladder as ladder
from pmm_tui.tui.rows.lines import Panel, Row, Span, exact, length, matches, wrap
from pmm_tui.tui.rows.top import is_production
from pmm_tui.tui.signs import mark
from pmm_tui.tui.state import OVER, UNREADY, Scene, why_lost
from pmm_tui.tui.words import fault, short

SLIM_QUOTE = 11
"""Cells of our bid and ask where a market has one narrow column for both."""
TWO_TABLES = 140
"""Two desks fit into one table from here on."""
_ACTS = ("move.down", "flatten", "quote.market")
"""The keys that a table of several markets names, as far as they act now."""
_CALM = (*OVER, *UNREADY)
"""States without a quote that are no trouble."""


def _own(levels: tuple[LevelRow, ...], tick: int) -> str:
    """Our best order on a side, as price and size; – where there is none."""
    for level in levels:
        if level.ours:
            return f"{f.cents(level.price, tick)}×{f.shares(level.ours)}"
    return f.NONE


def _touch(one: Scene, row: MarketRow) -> Row:
    """Our best bid and ask in one narrow column; the hatch of a killed desk where nothing of it rests. With ?: nobody knows."""
    prices = [next((f.cents(level.price, row.tick) for level in levels if level.ours), "") for levels in (row.bids, row.asks)]
    word, style = doubted(one, row, *prices), "alarm" if one.stopped else "ours"
    if not any(prices):
        word, style = hatch(one) if one.stopped else (f.NONE, "dim")
    elif "?" in word:
        short_word = f.first_fit(SLIM_QUOTE + 1, word, f"?{word.replace('?', '')}")
        return ((f.fit(short_word, SLIM_QUOTE + 1, ">"), "alarm" if one.stopped else "warn"),)
    return (" ", ""), (f.fit(word, SLIM_QUOTE, ">"), style)


def _pnl(row: MarketRow) -> Span:
    made = row.realised + row.unrealised
    return (f.fit(f.signed_usd(Cash(made)), 9, ">"), "plus" if made > 0 else "minus" if made < 0 else "")


class _Columns(Struct, frozen=True):
    """Widths fixed by the pane, never by what is in it."""

    name: int
    quote: int
    why: int
    wide: bool
    two: bool = False


_REASONED = 34
"""With less than this for names and reasons the reasons are left out: the ladder says that of the selected market."""


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
    rest = width - 46 - SLIM_QUOTE
    name = max(14, rest * 7 // 10) if rest >= _REASONED else max(14, rest - 4)
    return _Columns(name, 0, rest - name if rest >= _REASONED else 0, False)


def _quoted(one: Scene, row: MarketRow, width: int) -> list[Span]:
    """Our best bid and ask, or the hatch of a killed desk; what of that one still rests is told, and loudly. With ?: nobody knows."""
    spans: list[Span] = []
    for bids, levels in ((True, row.bids), (False, row.asks)):
        own = _own(levels, row.tick)
        style = "dim" if own == f.NONE else "ours"
        if own != f.NONE and blind(one, row, bids):
            own, style = own.replace("×", "?"), "warn"
        if one.stopped:
            own, style = hatch(one) if own == f.NONE else (own, "alarm")
        spans += [(" ", ""), (f.fit(own, width, ">"), style)]
    return spans


def _block(one: Scene, row: MarketRow | None, quote: int) -> list[Span]:
    """What one desk quotes, holds and has made in a market, in a fixed width; dim where it is only what the desk last told."""
    if row is None:
        return [(f" {f.fit(f'{f.NONE}  not watched there' if one.frame is not None else 'unknown', 2 * quote + 20)}", "dim")]
    net = row.yes - row.no
    spans = [*_quoted(one, row, quote), (f" {f.fit(f.signed_shares(net), 8, '>')}", "bold" if net else "dim"), (" ", ""), _pnl(row)]
    return [*aged(one, tuple(spans))]


def _both_head(scene: Scene, at: _Columns) -> Row:
    """Column names where two desks stand in one table; over columns that stand still, that their desk is lost."""
    names = f" {f.fit('bid', at.quote, '>')} {f.fit('ask', at.quote, '>')} {f.fit('net', 8, '>')} {f.fit('pnl', 9, '>')}"
    row: list[Span] = [(f"  {f.fit('market', at.name)}   ends    mid   spr", "head")]
    for one in sides(scene):
        gone, tone = lost_word(one)
        word = f"{letter(one)} {gone}"
        lead = (word, tone), (names[at.quote + 1 :].rjust(len(names) - len(word) - 1), "head")
        row += [(" ", ""), *(lead if gone else ((letter(one), mark(one)[1]), (names[2:], "head"))), (" │", "frame")]
    return (*row[:-1], ("  state", "head"))


def _both_line(scene: Scene, known: MarketRow, at: _Columns, selected: bool) -> Row:
    """A market as two desks see it: paper's numbers left, production's right, and the state of the one that is worse off."""
    ones = sides(scene)
    left, right = (next((row for row in _rows_of(one) if row.id == known.id), None) for one in ones)
    row, other = (left, right) if ones[0] is scene else (right, left)
    watching = scene if row is not None else ones[1] if ones[0] is scene else ones[0]
    believed = _of_market(scene, row, other) if row is not None else _at(watching, known)
    now = watching.frame.snapshot.at if watching.frame is not None else 0  # `closes` is of this desk's clock: the other's may be a tape's
    ends = f.left((known.closes - now) / SECOND) if known.closes else f.NONE
    lead: list[Span] = [
        ("▶ " if selected else "  ", "ours"),
        (f.middle(known.question, at.name), "bold" if selected else ""),
        (f" {f.fit(ends, 6, '>')}", ""),
        *_mid(believed, True),
    ]
    desks = (left, right)
    told, (why, tone) = _worse(ones, desks)
    room = at.why + 10 - length(told)
    block = (*_block(ones[0], desks[0], at.quote), (" │", "frame"), *_block(ones[1], desks[1], at.quote), ("  ", ""))
    return (*lead, *block, *told, (f" {short(why, max(0, room))}", tone))


def _why(one: Scene, row: MarketRow) -> Span:
    """Why a market is as it is on a desk that is heard; dim where that is no trouble."""
    if one.lost:
        return ("", "dim")
    if row.state == "quoting" and blind(one, row) and one.frame is not None:
        return (fault(one.frame.card.busy) or exposed(one.frame), "warn")
    return (reason(row) if row.why or row.state != "quoting" else "", "dim" if row.state in ("quoting", *_CALM) else "warn")


def _stands(one: Scene, row: MarketRow) -> tuple[int, Span, Span]:
    """How bad a market stands on a desk, 0 the worst; its state, and why, empty while it quotes as it should."""
    state, why = state_of(one, row, 12), _why(one, row)
    if one.lost:
        lost = (2, ("stopped in order", "dim")) if one.link.ended else (0, (f"not heard for {f.age(one.link.age_s)}", "warn"))
        return lost[0], state, lost[1]
    if row.state == "quoting":
        return (1, state, why) if blind(one, row) else (3, state, ("", "dim"))
    return 0 if row.state in ("killing", "killed") else 2 if row.state in _CALM else 1, state, why


def _worse(ones: tuple[Scene, Scene], desks: tuple[MarketRow | None, MarketRow | None]) -> tuple[Row, Span]:
    """The state of the desk that is worse off, production where both are in trouble, with its letter where the other's differs; and why.

    Only a desk that is lost or killed is told before production's trouble.
    """
    pairs = zip(ones[::-1], desks[::-1], strict=True)
    found = [(one, *_stands(one, row)) for one, row in pairs if row is not None]
    if not found:
        return ((f.NONE, "dim"),), ("", "dim")
    one, _, (word, style), why = min(found, key=lambda each: (each[1], not is_production(each[0])))
    if len(found) > 1 and len({(other[2][0], other[3][0]) for other in found}) == 1:
        return ((f.fit(word, 10), style),), why
    return ((f"{letter(one)}: ", style), (word.rstrip(), style)), why


def _of_market(scene: Scene, row: MarketRow, other: MarketRow | None) -> Scene:
    """The desk whose book of a market is to be believed, at that market."""
    beside = replace(_at(scene.beside, other), beside=None) if scene.beside is not None and other is not None else None
    return fresher(replace(_at(scene, row), beside=beside))


def _at(one: Scene, row: MarketRow) -> Scene:
    """A desk at a market of its own."""
    markets = one.frame.snapshot.markets if one.frame is not None else ()
    return replace(one, selected=next((number for number, known in enumerate(markets) if known.id == row.id), -1))


def _mid(one: Scene, wide: bool) -> Row:
    """The mid, with the spread where there is room; how old they are where that is too old."""
    row = one.market
    if row is None:
        return ((" " * (13 if wide else 7), ""),)
    if stale := stale_for(one):
        word = stale if wide else "STALE"
        return ((" " * ((13 if wide else 7) - len(word)), ""), (word, "alarm"))
    mid = f.cents_of(priced(row).mid)
    return ((f" {f.fit(mid, 6, '>')}" + (f" {f.fit(spread(row), 5, '>')}" if wide else ""), ""),)


def _table_head(at: _Columns, whose: str) -> Row:
    quotes = f" {f.fit('bid/ask' if whose == 'our' else f'{whose} bid/ask', SLIM_QUOTE, '>')}"
    if at.wide:
        quotes = f"   spr {f.fit(f'{whose} bid', at.quote, '>')} {f.fit(f'{whose} ask', at.quote, '>')}"
    more = " fills   age" if at.wide else ""
    text = f"  {f.fit('market', at.name)}   ends    mid{quotes}   net pos       pnl{more}  {f.fit('state', 10)}"
    return ((text + (" why" if at.why > 4 else ""), "head"),)


def _line(scene: Scene, row: MarketRow, at: _Columns, selected: bool) -> Row:
    now = scene.frame.snapshot.at if scene.frame is not None else 0
    net = row.yes - row.no
    ends = f.left((row.closes - now) / SECOND) if row.closes else f.NONE
    spans: list[Span] = [
        ("▶ " if selected else "  ", "ours"),
        (f.middle(row.question, at.name), "bold" if selected else ""),
        (f" {f.fit(ends, 6, '>')}", ""),
        *_mid(_of_market(scene, row, None), at.wide),
    ]
    spans += _quoted(scene, row, at.quote) if at.wide else _touch(scene, row)
    spans += [(f" {f.fit(f.signed_shares(net), 9, '>')}", "bold" if net else "dim"), (" ", ""), _pnl(row)]
    if at.wide:
        spans.append((f" {f.fit(f.count(row.fills), 5, '>')}", ""))
        seen_s = seen_ms(_at(scene, row)) / 1_000
        age = f.age(seen_s) if math.isfinite(seen_s) and row.state not in OVER else f.NONE
        spans.append((f" {f.fit(age, 5, '>')}", "down" if row.state == "stale" else "dim"))
    why, tone = _why(scene, row)
    return (*spans, ("  ", ""), state_of(scene, row), (f" {short(why, max(0, at.why - 1))}", tone))


def _rows_of(one: Scene) -> tuple[MarketRow, ...]:
    return one.frame.snapshot.markets if one.frame is not None else ()


def listed(scene: Scene, width: int) -> tuple[MarketRow, ...]:
    """The markets of the keys' desk, then, in a table wide enough for two, those that only the desk beside it watches."""
    scene = heard(scene)
    rows = _rows_of(scene)
    if width < TWO_TABLES:
        return rows
    known = {row.id for row in rows}
    return (*rows, *(row for row in (_rows_of(scene.beside) if scene.beside is not None else ()) if row.id not in known))


def _marked(row: Row) -> Row:
    """The selected row: its ground lies under what has a ground of its own, such as an alarm."""
    return tuple((text, f"sel {names}".rstrip()) for text, names in row)


def _acts(scene: Scene, keys: Keys) -> str:
    """The keys of a table of markets that act now, whatever the display stands at."""
    now = scene.present
    found = (next((key for key in keys if key.id == name), None) for name in _ACTS)
    return "   ".join(f"{key.show} {label(key, now)}" for key in found if key is not None and applies(key, now))


def markets(scene: Scene, width: int, height: int, keys: Keys = ()) -> Panel:
    """Every market on one line each, the selected one marked; scrolls to keep it in sight. `keys`: those of this console."""
    acts, scene = _acts(scene, keys), heard(scene)
    frame = scene.frame
    if frame is None:
        return Panel("Markets", [((f"  {line}", "warn"),) for line in wrap(why_lost(scene.link), width - 4, 2)])
    at = _columns(width, scene.beside is not None)
    rows = [row for row in listed(scene, width) if matches(scene.filter, f.clean(row.question))]
    chosen = scene.market
    selected = next((number for number, row in enumerate(rows) if chosen is not None and row.id == chosen.id), -1)
    room = max(1, height - 1)
    first = max(0, min(max(0, selected) - room // 2, len(rows) - room))
    made: list[Row] = [_both_head(scene, at) if at.two else _table_head(at, letter(scene) if scene.beside is not None else "our")]
    for number, row in enumerate(rows[first : first + room], start=first):
        own = number == selected
        line = _both_line(scene, row, at, own) if at.two else _line(scene, row, at, own)
        line = aged(scene, line) if scene.beside is not None and not at.two else line
        made.append(_marked(exact(line, width)) if own else exact(line, width))
    if not rows:
        gone = dark(frame.snapshot)
        none = f"no market yet: {gone}" if gone else "no market yet: discovery has chosen none"
        nothing = "nothing matches the filter" if frame.snapshot.markets else none
        made.append(((f.fit(f"  {nothing}", width), "warn" if gone else "dim"),))
    hidden = f"{first + 1}-{min(len(rows), first + room)} of {len(rows)}   " if len(rows) > room else ""
    name = f"Markets {len(rows)}" + (f"  filter {scene.filter}" if scene.filter else "")
    killed = next((one for one in (sides(scene) if at.two else (scene,)) if one.stopped and at.quote), None)
    told = f"{hatch(killed)[0]} not quoting   " if killed is not None else ""
    apart = len(listed(scene, TWO_TABLES)) - len(frame.snapshot.markets) if scene.beside is not None and not at.two else 0
    told += f"{apart} more on {desk_word(scene.beside)} alone   " if apart and scene.beside is not None else ""
    return Panel(name, made, f"{told}{hidden}{acts if len(rows) > 1 else ''}".rstrip())


def payout_text(row: MarketRow) -> str:
    """How a resolved market ended."""
    if row.payout_yes is None:
        return ""
    if row.payout_yes in (0, ONE):
        return f"{f.said(row.outcomes[0 if row.payout_yes else 1], 10).strip()} won"
    return f"split, {f.cents(row.payout_yes)}¢ each"
