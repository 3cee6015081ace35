"""Our orders, fills, position, guards and connections, the event log, and the kill switch's own pane."""

from pmm_tui.core.snapshot import FillRow, OrderRow
from pmm_tui.core.units import SECOND, Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.book import payout_text
from pmm_tui.tui.rows.lines import Panel, Row, Span, flow, length, pairs, tinted, wrap
from pmm_tui.tui.state import Scene, worst_case

_STATUS = {
    "SENT": ("sending", "dim"),
    "OPEN": ("resting", ""),
    "CANCELLING": ("cancelling", "warn"),
    "UNCERTAIN": ("UNCERTAIN!", "alarm"),
    "SETTLING": ("settling", "warn"),
    "DONE": ("done", "dim"),
    "EXTERNAL": ("EXTERNAL!", "alarm"),
}


_NARROW = 40
"""Below this width an order's age and a fill's seconds are left out."""


def _tone(cash: int) -> str:
    return "up" if cash > 0 else "down" if cash < 0 else ""


def _side(side: str) -> Span:
    return ("BUY ▲", "bid") if side == "BUY" else ("SELL▼", "ask")


def _order(order: OrderRow, now: int, width: int, tick: int) -> Row:
    size = f"{f.shares(order.filled)}/{f.shares(order.size)}" if order.filled else f.shares(order.size)
    word, style = _STATUS.get(order.status, (f.said(order.status, 11).strip(), "warn"))
    wide = width >= _NARROW
    old = f" {f.fit(f.age((now - order.sent_at) / SECOND), 5, '>')}" if wide else ""
    spans: list[Span] = [
        _side(order.side),
        (f" {f.said(order.outcome, 5 if wide else 4)}", ""),
        (f"{f.fit(f.cents(order.price, tick), 5, '>')} {f.fit(size, 7, '>')}{old}  ", ""),
        (word, style),
    ]
    if order.why and width > 56:
        spans.append((f" {f.said(order.why, max(0, width - length(spans) - 1)).rstrip()}", "dim"))
    return tuple(spans)


def orders(scene: Scene, width: int, height: int) -> Panel:
    """Every order that may still fill, those of the selected market first, sells above buys as in the ladder."""
    if scene.frame is None:
        return Panel("Our orders", [])
    snapshot, market = scene.frame.snapshot, scene.market
    ticks = {row.id: row.tick for row in snapshot.markets}
    chosen = market.id if market is not None else ""
    ranked = sorted(snapshot.orders, key=lambda one: (one.market != chosen, one.side == "BUY", -one.price, one.id))
    rows: list[Row] = [(("side  out   price    size   age  state" if width >= _NARROW else "side  out price    size  state", "head"),)]
    if not ranked:
        rows.append(((" none open", "dim"),))
    for order in ranked[: height - 1]:
        line = _order(order, snapshot.at, width, ticks.get(order.market, 100))
        rows.append(line if order.market == chosen else tinted(line, "dim"))
    if len(ranked) > height - 1:
        rows[-1] = ((f" and {len(ranked) - height + 2} more", "dim"),)
    return Panel(f"Our orders {len(ranked)}", rows)


def _fill(fill: FillRow, width: int, tick: int) -> Row:
    wide, failed = width >= _NARROW, fill.status == "FAILED"
    edge: Span = (f.fit(f.signed_usd(fill.edge), 7, ">"), _tone(fill.edge))
    spans: list[Span] = [
        (f"{f.clock(fill.at)[: 8 if wide else 5]} ", "dim"),
        _side(fill.side),
        (f" {f.said(fill.outcome, 5 if wide else 4)}{f.fit(f.shares(fill.size), 6, '>')} {f.fit(f.cents(fill.price, tick), 5, '>')}", ""),
        *(((" ", ""), ("FAILED", "alarm")) if failed else (edge,)),
    ]
    if not fill.maker and not failed:
        spans.append((" taker", "warn"))
    elif width >= 47 and not failed:
        spans.append((" settled" if fill.status == "CONFIRMED" else " matched", "dim"))
    return tuple(spans)


def fills(scene: Scene, width: int, height: int) -> Panel:
    """The newest fills, what each captured against the mid."""
    if scene.frame is None:
        return Panel("Fills", [])
    snapshot, market = scene.frame.snapshot, scene.market
    ticks = {row.id: row.tick for row in snapshot.markets}
    rows: list[Row] = [((f"time {'   ' * (width >= _NARROW)} side  out {' ' * (width >= _NARROW)}  size price   edge", "head"),)]
    if not snapshot.fills:
        rows.append(((" none yet", "dim"),))
    for fill in snapshot.fills[: height - 1]:
        line = _fill(fill, width, ticks.get(fill.market, 100))
        rows.append(line if market is None or fill.market == market.id else tinted(line, "dim"))
    return Panel(f"Fills {f.count(snapshot.fill_count)}", rows)


def position(scene: Scene, width: int, _: int) -> Panel:
    """What is held in the selected market, what it makes at either end, and what it has made."""
    row = scene.market
    if row is None:
        return Panel("Position", [((" no market selected", "dim"),)])
    yes, no = (f.said(name, 8).strip() for name in row.outcomes)
    net = row.yes - row.no
    side = yes if net > 0 else no if net < 0 else ""
    head: Row = ((f" {f.signed_shares(abs(net))} {side} " if net else " flat ", "ours" if net else "dim"), (f" {payout_text(row)}", "up"))
    if_yes, if_no = Cash(row.yes - row.cost), Cash(row.no - row.cost)
    rows = [
        head,
        pairs(((yes, f.shares(row.yes), ""), (no, f.shares(row.no), "")), width),
        pairs((("cost", f.usd(row.cost), ""), ("worth", f.usd(Cash(row.cost + row.unrealised)), "")), width),
        pairs(
            (
                ("realised", f.signed_usd(row.realised), _tone(row.realised)),
                ("unreal.", f.signed_usd(row.unrealised), _tone(row.unrealised)),
            ),
            width,
        ),
        pairs(((f"if {yes}", f.signed_usd(if_yes), _tone(if_yes)), (f"if {no}", f.signed_usd(if_no), _tone(if_no))), width),
    ]
    worst = worst_case(row)
    return Panel("Position", rows, f"worst case {f.signed_usd(worst)}" if net else "")


def guards(scene: Scene, width: int, height: int) -> Panel:
    """Every guard and cap against its limit, those that hold first; then every connection."""
    if scene.frame is None:
        return Panel("Guards and feeds", [])
    snapshot = scene.frame.snapshot
    name = max(10, width - 24)
    rows: list[Row] = []
    for guard in sorted(snapshot.risk, key=lambda one: not one.holding):
        style = "warn" if guard.holding else ""
        rows.append(
            (
                ("! " if guard.holding else "  ", style),
                (f.said(guard.name, name), style or "head"),
                (f.said(guard.now, 9, ">"), style or "bold"),
                (f" of {f.said(guard.limit, 8)}", "dim"),
            )
        )
    if len(rows) + len(snapshot.feeds) > height:
        rows = rows[: max(1, height - len(snapshot.feeds))]
    for feed in snapshot.feeds:
        lamp: Span = ("● ", "up") if feed.up else ("✖ ", "down")
        since = f"up {f.age((snapshot.at - feed.since) / SECOND)}" if feed.up else f"down {f.age((snapshot.at - feed.since) / SECOND)}"
        text: Span = (f.said(feed.why, max(0, width - 21)), "warn") if feed.why and not feed.up else ("", "")
        rows.append((lamp, (f.said(feed.link, 8), "head"), (f.fit(since, 10), "" if feed.up else "down"), text))
    holding = sum(guard.holding for guard in snapshot.risk)
    return Panel("Guards and feeds", rows, f"{holding} holding" if holding else "")


def held(scene: Scene, width: int, height: int) -> Panel:
    """Position, guards and connections in one, for a pane as large as the screen."""
    above = position(scene, min(width, 60), height)
    below = guards(scene, min(width, 60), height - len(above.rows) - 1)
    return Panel("Position, guards and feeds", [*above.rows, (), *below.rows], below.note)


_LEVELS = {"info": ("  ", ""), "warn": ("! ", "warn"), "alarm": ("!!", "alarm")}


def log(scene: Scene, width: int, height: int) -> Panel:
    """The newest events on top."""
    if scene.frame is None:
        return Panel("Events", [])
    rows: list[Row] = []
    for note in scene.frame.snapshot.notes[:height]:
        mark, style = _LEVELS.get(note.level, ("? ", "warn"))
        rows.append(((f"{f.clock(note.at)} ", "dim"), (mark, style), (f" {f.said(note.text, max(0, width - 12)).rstrip()}", style)))
    return Panel("Events", rows or [((" nothing yet", "dim"),)])


def newest(scene: Scene, width: int) -> Row:
    """The last answer to a key, or else the newest event that matters."""
    style, text = scene.message
    if text:
        return ((f" {f.said(text, width - 1)}", style),)
    notes = scene.frame.snapshot.notes if scene.frame is not None else ()
    for note in notes[:8]:
        if note.level != "info":
            mark, tone = _LEVELS.get(note.level, ("? ", "warn"))
            return ((f" {f.clock(note.at)} {mark} {f.said(note.text, max(0, width - 14))}", "warn" if tone == "alarm" else tone),)
    if notes:
        return ((f" {f.clock(notes[0].at)}    {f.said(notes[0].text, max(0, width - 14))}", "dim"),)
    return ()


def kill(scene: Scene, width: int, height: int) -> Panel:
    """The kill switch after it tripped: why, each step with the time it was proven, what is still held, how to reopen."""
    if scene.frame is None or not scene.stopped:
        return Panel("Kill switch", [])
    snapshot = scene.frame.snapshot
    proven = snapshot.phase == "killed"
    at = next((step.at for step in snapshot.kill if step.at), 0)
    why = flow((("why", f.said(snapshot.why, max(8, width - 26)).strip(), "down"), ("at", f"{f.clock(at, True)}Z", "bold")), width - 1)
    rows: list[Row] = [((" ", ""), *why)]
    for number, step in enumerate(snapshot.kill, start=1):
        mark: Span = ("✔ ", "up") if step.at else ("· ", "warn")
        rows.append(
            (
                (f" {number} ", "head"),
                mark,
                (f.said(step.step, 18), "bold"),
                (f.fit(f.clock(step.at, True) if step.at else "not yet", 13), "" if step.at else "warn"),
                (f.said(step.note, max(0, width - 37)).rstrip(), "dim" if step.at else "warn"),
            )
        )
    worst = sum(worst_case(row) for row in snapshot.markets)
    held = sum(1 for row in snapshot.markets if row.yes != row.no)
    what = f"{held} position{'s' if held != 1 else ''}, worst case {f.signed_usd(Cash(worst))}  " if held else "nothing  "
    kept: Row = (
        (" still held: ", "head"),
        (what, "warn" if held else ""),
        (f"open orders {len(snapshot.orders)}", "warn" if snapshot.orders else ""),
    )
    mode = f.said(scene.frame.card.mode, 5).strip()
    how = "reset: possible once the cancel is confirmed."
    if proven:
        how = f"reset: R, then type RESET {mode} and why it is safe. Nothing quotes until then."
    rows.append(kept)
    rows += [((f" {line}", "bold" if proven else "dim"),) for line in wrap(how, width - 2, 2)]
    title = "KILL SWITCH TRIPPED, latched" if proven else "KILL SWITCH TRIPPED, CANCEL NOT CONFIRMED"
    return Panel(title, rows[:height], "", "frame-alarm")


def kill_height(scene: Scene) -> int:
    """Rows that the kill pane needs inside its frame; 0 while it is not tripped."""
    return len(scene.frame.snapshot.kill) + 3 if scene.frame is not None and scene.stopped else 0
