"""Our orders, fills, position, guards and connections, the event log, and the kill switch's own pane."""

from msgspec.structs import replace

from pmm_tui.core.snapshot import FeedRow, FillRow, NoteRow, OrderRow, RiskRow
from pmm_tui.core.units import SECOND, Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.exposed import BARRED, passed, unconfirmed
from pmm_tui.tui.rows import market
from pmm_tui.tui.rows.book import payout_text
from pmm_tui.tui.rows.duo import desk_word, letter, mode_word, sides
from pmm_tui.tui.rows.fresh import aged, heard, unseen
from pmm_tui.tui.rows.fresh import guards as guard_rows
from pmm_tui.tui.rows.killed import killed, lines
from pmm_tui.tui.rows.lines import Panel, Row, Span, exact, length, pairs, tinted
from pmm_tui.tui.rows.log import LEVELS, by_arrival, line, merged
from pmm_tui.tui.rows.orders import side, status
from pmm_tui.tui.rows.top import is_production, tone
from pmm_tui.tui.signs import mark
from pmm_tui.tui.state import Scene, worst_case
from pmm_tui.tui.troubles import UNPROVEN, killing
from pmm_tui.tui.words import plain, short

_NARROW = 40
"""Below this width an order's age and a fill's seconds are left out."""
_SLIM = 36
"""Below this width a guard says only where it stands, and a position both of its ends in one line."""
ALARM_NS = 300 * SECOND
"""So long an alarm is told before a newer warning."""
_MORE = 4
"""Cells of how many guards there is no row for."""
_QUEUED = 47
"""From this width on an order says what is ahead of it."""


def _desks(scene: Scene, width: int) -> tuple[Scene, ...]:
    """One desk, or both, paper first, where there is room to tell them apart."""
    return sides(scene) if scene.beside is not None and width >= _NARROW + 2 else (scene,)


def _mark(one: Scene, many: bool) -> Row:
    """Whose line it is, where there are two desks."""
    return ((letter(one), mark(one)[1]), (" ", "")) if many else ()


def _in_doubt(one: Scene, order: OrderRow) -> bool:
    """Whether nobody can say, or do, what becomes of an order: it is the first to be seen."""
    if status(order)[1] == "alarm" or one.stopped:
        return True
    snapshot = one.frame.snapshot if one.frame is not None and is_production(one) else None
    return snapshot is not None and (unseen(one) or snapshot.venue.mode in BARRED or unconfirmed(order, snapshot.at))


def _order(order: OrderRow, now: int, width: int, tick: int, unsure: bool) -> Row:
    size = f"{f.shares(order.filled)}/{f.shares(order.size)}" if order.filled else f.shares(order.size)
    wide = width >= _NARROW
    old = f" {f.fit(f.age((now - order.sent_at) / SECOND), 5, '>')}" if wide else ""
    queue = f" {f.fit(f.brief(order.ahead) if order.ahead >= 0 else f.NONE, 4, '>')}" if width >= _QUEUED else ""
    spans: list[Span] = [
        side(order.side),
        (f" {f.said(order.outcome, 5 if wide else 4)}", ""),
        (f"{f.fit(f.cents(order.price, tick), 5, '>')} {f.fit(size, 7, '>')}{old}{queue}  ", ""),
        status(order, unsure=unsure),
    ]
    if order.why and width > 56:
        spans.append((f" {f.said(order.why, max(0, width - length(spans) - 1)).rstrip()}", "dim"))
    return tuple(spans)


def orders(scene: Scene, width: int, height: int) -> Panel:
    """Every order that may still fill, of both desks: those in doubt, then the selected market's, then real money's, then those of the desk
    that the keys go to; sells above buys as in the ladder."""
    row, desks = scene.market, _desks(scene, width)
    many, found = len(desks) > 1, [(one, order) for one in desks if one.frame is not None for order in one.frame.snapshot.orders]

    def rank(pair: tuple[Scene, OrderRow]) -> tuple[bool, bool, bool, bool, bool, int]:
        one, order = pair
        elsewhere = row is not None and order.market != row.id
        aside = (not is_production(one), one.frame is not scene.frame)
        return (not _in_doubt(one, order), elsewhere, *aside, order.side == "BUY", -order.price)

    found.sort(key=rank)
    lead, room = "  " * many, width - 2 * many
    names = f"side  out   price    size   age{' ahead' if room >= _QUEUED else ''}  state"
    rows: list[Row] = [((lead + (names if room >= _NARROW else "side  out price    size  state"), "head"),)]
    unheard = [one for one in desks if one.frame is None]
    rows += [((f" {desk_word(one)}: its orders are unknown", "warn"),) for one in unheard]
    if not found and len(unheard) < len(desks):
        rows.append(((" none open", "dim"),))
    room_for = max(0, height - len(rows))
    for one, order in found[:room_for]:
        snapshot = one.frame.snapshot if one.frame is not None else None
        ticks = {known.id: known.tick for known in snapshot.markets} if snapshot is not None else {}
        made = _order(order, snapshot.at if snapshot is not None else 0, room, ticks.get(order.market, 100), unseen(one))
        made = aged(one, made) if scene.beside is not None else made
        bright = row is None or order.market == row.id or _in_doubt(one, order)
        rows.append((*_mark(one, many), *(made if bright else tinted(made, "dim"))))
    if len(found) > room_for > 1:
        rows[-1] = ((f" and {len(found) - room_for + 1} more", "dim"),)
    count = " + ".join([str(len(found))] * (len(unheard) < len(desks)) + ["?"] * len(unheard))
    whose = f"{mode_word(scene)} orders" if scene.beside is not None and not many else "Our orders"
    return Panel(f"{whose} {count}", rows)


def _fill(fill: FillRow, width: int, tick: int) -> Row:
    wide, bad = width >= _NARROW, "FAILED" if fill.status == "FAILED" else "NOT US" if fill.foreign else ""
    edge: Span = (f.fit(f.signed_usd(fill.edge), 7, ">"), tone(fill.edge))
    spans: list[Span] = [
        (f"{f.clock(fill.at)[: 8 if wide else 5]} ", "dim"),
        side(fill.side),
        (f" {f.said(fill.outcome, 5 if wide else 4)}{f.fit(f.shares(fill.size), 6, '>')} {f.fit(f.cents(fill.price, tick), 5, '>')}", ""),
        *(((" ", ""), (bad, "alarm")) if bad else (edge,)),
    ]
    if not fill.maker and not bad:
        spans.append((" taker", "warn"))
    elif width >= 47 and not bad:
        spans.append((" settled" if fill.status == "CONFIRMED" else " matched", "dim"))
    return tuple(spans)


def fills(scene: Scene, width: int, height: int) -> Panel:
    """The newest fills of both desks, what each captured against the mid."""
    row, desks = scene.market, _desks(scene, width)
    many, unheard = len(desks) > 1, [one for one in desks if one.frame is None]
    ticks = {known.id: known.tick for one in desks if one.frame is not None for known in one.frame.snapshot.markets}
    found = [(one, fill) for one in desks if one.frame is not None for fill in one.frame.snapshot.fills]
    if many:
        found = [(one, replace(fill, at=one.arrived(fill.at))) for one, fill in found]
    found.sort(key=lambda pair: -pair[1].at)
    lead, room = "  " * many, width - 2 * many
    head = f"time {'   ' * (room >= _NARROW)} side  out {' ' * (room >= _NARROW)}  size price   edge"
    rows: list[Row] = [((lead + head, "head"),)]
    rows += [((f" {desk_word(one)}: its fills are unknown", "warn"),) for one in unheard]
    if not found and len(unheard) < len(desks):
        rows.append(((" none yet", "dim"),))
    for one, fill in found[: max(0, height - len(rows))]:
        made = _fill(fill, room, ticks.get(fill.market, 100))
        made = aged(one, made) if scene.beside is not None else made
        rows.append((*_mark(one, many), *(made if row is None or fill.market == row.id else tinted(made, "dim"))))
    counts = (f.count(one.frame.snapshot.fill_count) if one.frame is not None else "?" for one in desks)
    whose = f"{mode_word(scene)} fills" if scene.beside is not None and not many else "Fills"
    return Panel(f"{whose} {' | '.join(counts)}", rows)


def position(scene: Scene, width: int, height: int) -> Panel:
    """What is held in the selected market, what it makes at either end, and what it has made."""
    scene = heard(scene)
    row = scene.market
    if row is None:
        return Panel("Position", [((" no market selected", "dim"),)])
    if scene.beside is not None:
        return market.both_positions(scene, width, height)
    yes, no = (f.said(name, 8).strip() for name in row.outcomes)
    net = row.yes - row.no
    side = yes if net > 0 else no if net < 0 else ""
    head: Row = ((f" {f.signed_shares(abs(net))} {side} " if net else " flat ", "ours" if net else "dim"), (f" {payout_text(row)}", "plus"))
    if_yes, if_no = Cash(row.yes - row.cost), Cash(row.no - row.cost)
    rows = [
        head,
        pairs(((yes, f.shares(row.yes), ""), (no, f.shares(row.no), "")), width),
        pairs((("cost", f.usd(row.cost), ""), ("worth", f.usd(Cash(row.cost + row.unrealised)), "")), width),
        pairs(
            (
                ("realised" if width >= _SLIM else "real.", f.signed_usd(row.realised), tone(row.realised)),
                ("unreal.", f.signed_usd(row.unrealised), tone(row.unrealised)),
            ),
            width,
        ),
        pairs(((f"if {yes}", f.signed_usd(if_yes), tone(if_yes)), (f"if {no}", f.signed_usd(if_no), tone(if_no))), width)
        if width >= _SLIM
        else pairs((("at the end", f"{f.signed_usd(if_yes)} / {f.signed_usd(if_no)}", ""),), width, 1),
    ]
    worst = worst_case(row)
    return Panel("Position", rows, f"worst case {f.signed_usd(worst)}" if net else "")


def guards(scene: Scene, width: int, height: int) -> Panel:
    """Every guard and cap against its limit, those that hold first; then every connection."""
    if scene.beside is not None:
        return market.limits(scene, width, height)
    if scene.frame is None:
        return Panel("Guards and feeds", [])
    snapshot = scene.frame.snapshot
    ranked = sorted(guard_rows(scene), key=lambda one: (not one.holding, -one.used))
    loud = sum(one.holding or passed(one) for one in ranked)
    fallen, well = ([feed for feed in snapshot.feeds if feed.up is so] for so in (False, True))
    wanted = len(ranked) + len(fallen)
    if wanted + len(well) > height and len(well) > 1:
        up: list[Row] = (
            [(("? ", "dim"), (f"{len(well)} links were up", "head"))] if scene.lost else [(("● ", "up"), (f"{len(well)} links up", "head"))]
        )
    else:
        up = [_feed(scene, feed, snapshot.at, width) for feed in well]
    room = max(1, height - len(up))
    cells = width - _MORE * (wanted > room == 1)
    made, down = [_guard(one, cells) for one in ranked], [_feed(scene, feed, snapshot.at, cells) for feed in fallen]
    rows = [*made[:loud], *down, *made[loud:]]
    if wanted > room > 1:
        rows = [*rows[: room - 1], ((f"  and {wanted - room + 1} more", "dim"),)]
    elif wanted > room:
        rows = [(*exact(rows[0], cells), (f.fit(f"+{wanted - 1}", _MORE, ">"), "dim"))]
    holding = sum(guard.holding for guard in ranked)
    return Panel("Guards and feeds", [*rows, *up], f"{holding} holding" if holding else "")


def _guard(guard: RiskRow, width: int) -> Row:
    """One guard: what it holds, where it stands, of how much."""
    slim = width < _SLIM
    style = "warn" if guard.holding or passed(guard) else ""
    return (
        ("! " if style else "  ", style),
        (f.said(guard.name, max(10, width - (11 if slim else 24))), style or "head"),
        (f.said(guard.now, 9, ">"), style or "bold"),
        ("" if slim else f" of {f.said(guard.limit, 8)}", "dim"),
    )


def _feed(one: Scene, feed: FeedRow, now: int, width: int) -> Row:
    """One connection of a desk: up or down, for how long, and why; while the desk is not heard, nobody knows."""
    lamp: Span = ("? ", "dim") if one.lost else ("● ", "up") if feed.up else ("✖ ", "down")
    since = f"{'up' if feed.up else 'down'} {f.age((now - feed.since) / SECOND)}"
    told = feed.why and not feed.up and width >= _SLIM
    text: Span = (f" {short(plain(feed.why), width - 23)}", "warn") if told else ("", "")
    return (lamp, (f"{f.said(feed.link, 9)} ", "head"), (f.fit(since, 10), "" if feed.up else "down"), text)


def held(scene: Scene, width: int, height: int) -> Panel:
    """Position, guards and connections in one, for a pane as large as the screen."""
    above = position(scene, min(width, 60), height)
    below = guards(scene, min(width, 60), height - len(above.rows) - 1)
    return Panel("Position, guards and feeds", [*above.rows, (), *below.rows], below.note)


def log(scene: Scene, width: int, height: int) -> Panel:
    """The newest events of both desks on top."""
    if scene.frame is None and scene.beside is None:
        return Panel("Events", [])
    rows = [line(one, note, width, scene.beside is not None) for one, note in merged(scene)[:height]]
    return Panel("Events", rows or [((" nothing yet", "dim"),)], by_arrival(scene))


def newest(scene: Scene, width: int) -> Row:
    """The last answer to a key, or else the newest event that matters; no alarm of paper while production has told of trouble since."""
    style, text = scene.message
    if text:
        return ((_cut(" ", text, width), style),)
    notes, many = merged(scene), scene.beside is not None
    if not notes:
        return ()
    late, real = _alarmed(notes), [pair for pair in notes if is_production(pair[0]) and pair[1].level != "info"]
    if late is not None and real and real[0][1].at > late[1].at:
        late = _alarmed(real) or real[0]
    one, note = late or next((pair for pair in notes[:8] if pair[1].level != "info"), notes[0])
    sign, colour = LEVELS.get(note.level, ("? ", "warn"))
    lead = f" {f.clock(note.at)} {letter(one)} {sign} " if many else f" {f.clock(note.at)} {sign} "
    return ((_cut(lead, note.text, width), "dim" if one.lost else {"info": "dim", "alarm": "down"}.get(note.level, colour)),)


def _alarmed(notes: list[tuple[Scene, NoteRow]]) -> tuple[Scene, NoteRow] | None:
    """The newest alarm that is told before what came after it; of one moment, production's."""
    since = notes[0][1].at - ALARM_NS
    loud = [pair for pair in notes if pair[1].level == "alarm" and pair[1].at > since]
    return max(loud, key=lambda pair: (pair[1].at, is_production(pair[0])), default=None)


def _cut(lead: str, text: str, width: int) -> str:
    """A text behind its lead in exactly so many cells, cut between words where it has any."""
    said, room = f.clean(text), max(0, width - f.width_of(lead))
    return f.fit(f"{lead}{short(said, room) or said}", width)


def _tripped(scene: Scene) -> Scene | None:
    """The desk whose kill switch has tripped; of two, the production desk."""
    tripped = [one for one in (scene, scene.beside) if one is not None and one.stopped]
    return next((one for one in tripped if is_production(one)), tripped[0] if tripped else None)


def kill(scene: Scene, width: int, height: int) -> Panel:
    """The kill switch after it tripped: why, each step with the time it was proven, what is still held, how to reopen."""
    one = _tripped(scene)
    if one is None or one.frame is None:
        return Panel("Kill switch", [])
    proven = one.frame.snapshot.phase == "killed"
    late = killing(one.frame.snapshot).word == UNPROVEN
    title = f"KILL SWITCH TRIPPED, {'latched' if proven else UNPROVEN if late else 'cancelling'}"
    title = f"{mode_word(one)}: {title}" if scene.beside is not None else title
    other = scene if one is not scene else scene.beside
    also = other.frame if other is not None and other.stopped else None
    note = f"{mode_word(other)} is {also.snapshot.phase}, too" if other is not None and also is not None else ""
    return Panel(title, killed(one, width, one is scene)[:height], note, "frame-alarm")


def kill_height(scene: Scene) -> int:
    """Rows that the kill pane needs inside its frame; 0 while no desk's is tripped."""
    one = _tripped(scene)
    return lines(one) if one is not None else 0
