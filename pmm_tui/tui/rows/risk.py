"""Everything that may stop a desk: the kill switch, each guard, cap and reviewer against its limit, what is held, the connections."""

from functools import partial

from pmm_tui.core.snapshot import Frame, QuoteRow, RiskRow, Snapshot
from pmm_tui.core.units import SECOND, Cash, Price
from pmm_tui.tui import format as f
from pmm_tui.tui.exposed import passed
from pmm_tui.tui.rows.duo import TWO_WIDE, both
from pmm_tui.tui.rows.fresh import UNTOLD
from pmm_tui.tui.rows.fresh import guards as guard_rows
from pmm_tui.tui.rows.killed import killed
from pmm_tui.tui.rows.lines import Panel, Row, Span, length, window, wrap
from pmm_tui.tui.rows.top import gauge
from pmm_tui.tui.state import OVER, Scene, safe_verdict, worst_case
from pmm_tui.tui.troubles import mismatch
from pmm_tui.tui.words import fault, plain, reason, short

_EIGHTHS = " ▏▎▍▌▋▊▉"
NEAR = 0.8
"""From this part of a limit on it is called near."""
_STATE = 46
"""Cells of a guard before its bar."""
_BAR = 24


def headroom(used: float, width: int) -> Row:
    """How much of a limit is used: a bar and percent; a blank where a guard only knows yes and no."""
    if used < 0:
        return ((" " * width, ""),)
    inner = width - 7
    style = "down" if used >= 1 else "warn" if used >= NEAR else "up"
    if inner < 4:
        return ((f.fit(f"{min(999.0, 100 * used):.0f}%", width, ">"), style),)
    full, part = divmod(round(min(1.0, used) * inner * 8), 8)
    bar = "█" * full + (_EIGHTHS[part] if part else "")
    share = f"{min(999.0, 100 * used):.0f}%"
    return (("▕", "dim"), (bar, style), ("░" * (inner - full - bool(part)), "frame"), ("▏", "dim"), (f.fit(share, 5, ">"), style))


def guard(row: RiskRow, width: int) -> Row:
    """One guard: its state in a word, its name, now, limit, headroom."""
    near: Span = ("near ", "warn") if row.used >= NEAR else ("ok   ", "up") if row.asked and row.now != UNTOLD else ("–    ", "dim")
    word: Span = ("HOLDS", "held") if row.holding else ("OVER ", "alarm") if passed(row) else near
    room = width - _STATE
    tail = headroom(row.used, min(_BAR, room)) if room >= 5 else ()
    return (
        (" ", ""),
        word,
        (f" {f.said(row.name, 16)}", "bold" if row.holding or passed(row) else ""),
        (f" {f.said(row.now, 10, '>')} {f.said(row.limit, 10, '>')} ", "warn" if row.holding or passed(row) else ""),
        *tail,
    )


_CLOCKED = ("data age", "time to the end")
"""Guards that look at clocks alone."""


def _judged(snapshot: Snapshot, row: RiskRow, told: Row) -> Row:
    """What a guard says. Where our books are not what the venue or the chain says, nothing that is counted by them is well."""
    sure = mismatch(snapshot) is None or row.name in _CLOCKED
    return told if sure else tuple((text, "" if style == "up" else style) for text, style in told)


def _kill(scene: Scene, snapshot: Snapshot, width: int, aimed: bool) -> list[Row]:
    """The kill switch: armed, with the distance to it; or why it tripped, each step with its proof, and how and when it is reset."""
    if scene.stopped or snapshot.kill:
        return killed(scene, width, aimed)
    if scene.unanswered or (scene.lost and scene.link.ended):
        why = "pressed, and not answered" if scene.unanswered else "the desk has ended: nothing of it is left to kill"
        return [((f" {short(why, width - 1)}", "alarm" if scene.unanswered else "dim"),)]
    money = snapshot.money
    below = Cash(money.equity + money.drawdown - money.halts_at)
    return [((f" {short(f'armed: at {f.usd(money.halts_at)} equity, {f.usd(below)} below the {money.reference}', width - 1)}", ""),)]


def held(frame: Frame, width: int) -> list[Row]:
    """What is wrong with the desk itself, every wish that a reviewer withholds, and every market that is silent, with the reason."""
    rows: list[Row] = []
    if frame.card.busy:
        rows += _told(((" all of it: ", "alarm"),), fault(frame.card.busy), "alarm", width)
    markets = [row for row in frame.snapshot.markets if row.state not in OVER]
    open_ = [row for row in markets if row.state != "quoting" or any(quote.held for quote in row.quotes)]
    widest = max((f.width_of(f.clean(row.question)) for row in open_), default=0)
    tails = [f"{row.state}: {reason(row)}" for row in open_ if row.state != "quoting"]
    tails += [f"{_wish(quote, row.tick)}  {plain(quote.held)}" for row in open_ for quote in row.quotes if quote.held]
    room = max(8, min(widest, max(width // 3, width - 3 - max(map(f.width_of, tails), default=0))))
    for row in open_:
        name = f.middle(row.question, room)
        if row.state != "quoting":
            rows += _told(((f" {name}  ", ""),), f"{row.state}: {reason(row)}", "warn", width)
        for quote in row.quotes:
            if quote.held:
                wish = _wish(quote, row.tick)
                rows += _told(((f" {name}  ", "dim"), (wish, "wish"), ("  ", "")), plain(quote.held), "warn", width)
    return rows or [((" nothing is held back", "dim"),)]


def _told(lead: Row, why: str, style: str, width: int) -> list[Row]:
    """A reason behind its subject, over two lines where one is too short."""
    first, *more = wrap(why, max(8, width - length(lead)), 2)
    return [(*lead, (first, style)), *(((" " * length(lead), ""), (line, style)) for line in more)]


def _wish(quote: QuoteRow, tick: Price) -> str:
    return f"{quote.side} {f.shares(quote.size)} @ {f.cents(quote.price, tick)} level {quote.level + 1}"


def feeds(scene: Scene, frame: Frame, width: int) -> list[Row]:
    """Every connection, those that are down first: for how long, and why; how long ago the venue answered a heartbeat, where it did.

    Of a desk that is not heard nobody knows whether one is up still.
    """
    rows: list[Row] = []
    snapshot, beat_s = frame.snapshot, frame.card.heartbeat_s
    for feed in sorted(snapshot.feeds, key=lambda feed: feed.up):
        known: Span = ("● up  ", "up") if feed.up else ("✖ DOWN", "alarm")
        lamp: Span = (f"? {known[0][2:].lower()}", "dim") if scene.lost else known
        since = f.age((snapshot.at - feed.since) / SECOND)
        why = plain(feed.why) if not feed.up else ""
        if feed.link == "heartbeat" and beat_s >= 0:
            why = f"last answered {f.age(beat_s)} ago  {why}".rstrip()
        rows.append(((" ", ""), lamp, (f" {f.said(feed.link, 10)} {f.fit(since, 5, '>')} ", ""), (short(why, max(0, width - 26)), "warn")))
    return rows or [((" no connection is known" if frame.card.source != "tape" else " none: a tape is played", "dim"),)]


def _sections(scene: Scene, frame: Frame, width: int, aimed: bool) -> list[Row]:
    """What is wrong comes first: a kill, a connection that is down; then the guards, what is held back, and the rest."""
    snapshot = frame.snapshot
    guards = sorted(guard_rows(scene), key=lambda row: (not row.holding, not passed(row), row.used < NEAR))
    bar = min(_BAR, width - _STATE)
    used = f.fit("used", bar, "<" if len(headroom(0, bar)) > 1 else ">")
    old = f", as of {f.age(scene.link.age_s)} ago" if scene.lost else ""
    then = "" if scene.unanswered or scene.link.ended else old
    head: Row = ((f.fit(f"Guards{old}" if old else "Guards, caps and reviewers", 31), "title"), (f"now      limit {used}", "head"))
    down = any(not feed.up for feed in snapshot.feeds)
    sections: list[tuple[bool, Row, list[Row]]] = [
        (False, head, [_judged(snapshot, row, guard(row, width)) for row in guards] or [((" none reported yet", "dim"),)]),
        (scene.stopped or bool(scene.unanswered), ((f"Kill switch{then}", "title"),), _kill(scene, snapshot, width, aimed)),
        (bool(frame.card.busy), ((f"Held back{old}", "title"),), held(frame, width)),
        (down or scene.lost, ((f"Connections{old}", "title"),), feeds(scene, frame, width)),
    ]
    return [row for _, title, rows in sorted(sections, key=lambda one: not one[0]) for row in (title, *rows)]


def _inside(shown: Scene, roomy: bool, scene: Scene, width: int, height: int) -> Panel:
    """One desk of what is shown."""
    if scene.frame is None:
        return Panel("Risk", [((" no picture from this desk yet", "dim"),)])
    snapshot, verdict = scene.frame.snapshot, safe_verdict(scene)
    money = snapshot.money
    worst = Cash(sum(worst_case(row) for row in snapshot.markets))
    levels = f" {f.fit(f.percent(money.drawdown_pct), 5, '>')}  alert {money.alert_pct:g}%  kill {money.halt_pct:g}%"
    told = "dim" if verdict.style == "waiting" else {"warn": "held"}.get(verdict.style, "alarm") if scene.lost else "warn"
    why = [] if verdict.style == "up" or scene.stopped or scene.frame.card.busy else wrap(verdict.why, width - 2, 2)
    top: list[Row] = [((f" {line}", told),) for line in why]  # the word stands in the strip above
    if roomy:
        top.append(((" drawdown ", "head"), *gauge(snapshot, max(6, width - 10 - len(levels))), (levels, "")))
    top.append(((" worst case of what is held ", "head"), (f.signed_usd(worst), "minus" if worst < 0 else "")))
    sections, room = _sections(scene, scene.frame, width, scene.frame is shown.frame), max(1, height - len(top))
    kept, part = window(sections, room, scene.scroll)
    if len(kept) > 1 and kept[-1][0][1] == "title":
        kept, part = window(sections, room - 1, scene.scroll)  # without a heading of nothing
    holding = sum(row.holding for row in snapshot.risk)
    over = sum(passed(row) and not row.holding for row in snapshot.risk)
    counts = f"{holding} of {len(snapshot.risk)} guards hold quotes back" if holding else "no guard holds quotes back"
    counts = f"{counts}{f', {over} over' * bool(over)}" if snapshot.risk and not scene.lost else ""
    note = "   ".join(text for text in (counts, part) if text)
    return Panel("Risk", [*top, *kept], note, "frame-alarm" if scene.stopped or scene.frame.card.busy or scene.unanswered else "")


def risk(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen: paper's risk left, production's right."""
    return both(scene, width, height, partial(_inside, scene, width >= TWO_WIDE))
