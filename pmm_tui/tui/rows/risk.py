"""Everything that may stop a desk: the kill switch, each guard, cap and reviewer against its limit, what is held, the connections."""

from pmm_tui.core.snapshot import Frame, RiskRow, Snapshot
from pmm_tui.core.units import SECOND, Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.exposed import passed
from pmm_tui.tui.rows.duo import both
from pmm_tui.tui.rows.killed import steps
from pmm_tui.tui.rows.ladder import reason
from pmm_tui.tui.rows.lines import Panel, Row, Span, window
from pmm_tui.tui.rows.top import gauge
from pmm_tui.tui.state import OVER, Scene, safe_verdict, worst_case

_EIGHTHS = " ▏▎▍▌▋▊▉"
NEAR = 0.8
"""From this part of a limit on it is called near."""


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
    near: Span = ("near ", "warn") if row.used >= NEAR else ("ok   ", "up") if row.asked else ("–    ", "dim")
    word: Span = ("HOLDS", "held") if row.holding else ("OVER ", "alarm") if passed(row) else near
    room = width - 46
    tail = headroom(row.used, min(24, room)) if room >= 5 else ()
    return (
        (" ", ""),
        word,
        (f" {f.said(row.name, 16)}", "bold" if row.holding or passed(row) else ""),
        (f" {f.said(row.now, 10, '>')} {f.said(row.limit, 10, '>')} ", "warn" if row.holding or passed(row) else ""),
        *tail,
    )


def _kill(snapshot: Snapshot, width: int) -> list[Row]:
    """The kill switch: armed, with the distance to it; or each step it took, with its proof."""
    money = snapshot.money
    base = money.initial if money.reference == "start" else money.peak
    level = Cash(base - round(base * money.halt_pct / 100))
    if not snapshot.kill:
        facts = f" armed: at {f.usd(level)} equity, {money.halt_pct:g}% below the {money.reference}"
        return [((f.fit(facts, width), ""),)]
    rows: list[Row] = [((f" tripped: {f.said(snapshot.why, max(0, width - 11)).rstrip()}", "down"),)]
    return rows + steps(snapshot, width)


def held(snapshot: Snapshot, width: int) -> list[Row]:
    """Every wish that a reviewer withholds, and every market that is silent, with the reason."""
    rows: list[Row] = []
    for row in snapshot.markets:
        if row.state in OVER:
            continue
        name = f.middle(row.question, max(8, min(26, width // 3)))
        if row.state != "quoting":
            rows.append(((f" {name} ", ""), (f.said(f"{row.state}: {reason(row)}", max(0, width - 28)).rstrip(), "warn")))
        for quote in row.quotes:
            if quote.held:
                what = f"{quote.side} {f.shares(quote.size)} @ {f.cents(quote.price, row.tick)} level {quote.level + 1}"
                why = f.said(quote.held, max(0, width - 30 - len(name))).rstrip()
                rows.append(((f" {name} ", "dim"), (f.fit(what, 26), "wish"), (f" {why}", "warn")))
    return rows or [((" nothing is held back", "dim"),)]


def feeds(frame: Frame, width: int) -> list[Row]:
    """Every connection: up or down, for how long, and why; how long ago the venue answered a heartbeat, where it did."""
    rows: list[Row] = []
    snapshot, beat_s = frame.snapshot, frame.card.heartbeat_s
    for feed in snapshot.feeds:
        lamp: Span = ("● up  ", "up") if feed.up else ("✖ DOWN", "alarm")
        since = f.age((snapshot.at - feed.since) / SECOND)
        why = f.said(feed.why, max(0, width - 26)).rstrip() if not feed.up else ""
        if feed.link == "heartbeat" and beat_s >= 0:
            why = f"last answered {f.age(beat_s)} ago  {why}".rstrip()
        rows.append(((" ", ""), lamp, (f" {f.said(feed.link, 10)} {f.fit(since, 5, '>')} ", ""), (why, "warn")))
    return rows or [((" no connection is known" if frame.card.source != "tape" else " none: a tape is played", "dim"),)]


def _inside(scene: Scene, width: int, height: int) -> Panel:
    if scene.frame is None:
        return Panel("Risk", [((" no picture from this desk yet", "dim"),)])
    snapshot, verdict = scene.frame.snapshot, safe_verdict(scene)
    money = snapshot.money
    style = {"up": "running", "warn": "held"}.get(verdict.style, verdict.style)
    word = f" {verdict.glyph} {verdict.word} "
    worst = Cash(sum(worst_case(row) for row in snapshot.markets))
    levels = f" {f.percent(money.drawdown_pct)}  alert {money.alert_pct:g}%  kill {money.halt_pct:g}%"
    top: list[Row] = [
        ((word, style), (f.fit(f" {verdict.why}", max(0, width - len(word))), "dim")),
        ((" drawdown ", "head"), *gauge(money, max(6, width - 10 - len(levels))), (levels, "")),
        ((" worst case of what is held ", "head"), (f.signed_usd(worst), "minus" if worst < 0 else "")),
    ]
    guards = sorted(snapshot.risk, key=lambda row: (not row.holding, not passed(row), row.used < NEAR))
    rows: list[Row] = [((f.fit("Guards, caps and reviewers", 34), "title"), (" now      limit   used", "head"))]
    rows += [guard(row, width) for row in guards] or [((" none reported yet", "dim"),)]
    rows += [(("Kill switch", "title"),), *_kill(snapshot, width)]
    rows += [(("Held back", "title"),), *held(snapshot, width)]
    rows += [(("Connections", "title"),), *feeds(scene.frame, width)]
    shown, part = window(rows, max(1, height - len(top)), scene.scroll)
    holding = sum(row.holding for row in snapshot.risk)
    over = sum(passed(row) and not row.holding for row in snapshot.risk)
    counts = f"{holding} of {len(snapshot.risk)} hold" + (f", {over} over" if over else "")
    note = "   ".join(text for text in (counts, part) if text)
    return Panel("Risk", [*top, *shown], note, "frame-alarm" if scene.stopped else "")


def risk(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen: paper's risk left, production's right."""
    return both(scene, width, height, _inside)
