"""The top of the screen: whose money, what the desk is doing, and the three answers: am I safe, am I making money, is it quoting."""

import math

from pmm_tui.core.snapshot import DeskCard, Money, Snapshot
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.lines import Panel, Row, Span, exact, flow, length, pairs, wrap
from pmm_tui.tui.signs import badges, mark
from pmm_tui.tui.state import OVER, REPLAY, Scene, desk_verdict, quoting_verdict, safe_verdict, worst_case
from pmm_tui.tui.troubles import Verdict, mismatch
from pmm_tui.tui.words import plain, short

_FILLS = {"killed": "▚", "lost": "╱", "paused": "░"}
LAMPS: Row = (("links", ""),)
"""Stands for the connections, which take the room that they find."""
_ROOMY = 70
"""Below so many cells a reason stands in the room of the drawdown's bar."""
TWO_BANNERS = 110
"""Two desks have a banner each from here on."""


def mode_block(scene: Scene) -> Row:
    """PAPER or LIVE: words, glyphs, fill and colour together."""
    if scene.frame is None:
        return (("╱╱╱ pmm-tui ╱╱╱", "waiting"),)
    if scene.live:
        return (("███", "live-fill"), (" LIVE $$$ REAL MONEY ", "live"), ("███", "live-fill"))
    if scene.replayed:
        return (("╱╱╱", "waiting"), (f" REPLAY of a {f.said(scene.frame.card.mode, 5).strip()} run ", "waiting"), ("╱╱╱", "waiting"))
    word = "LIVE REHEARSAL, NO MONEY" if scene.rehearsing else f.said(scene.frame.card.mode, 5)
    return (("▒▒▒", "paper-fill"), (f" {word} ", "paper"), ("▒▒▒", "paper-fill"))


def is_production(one: Scene) -> bool:
    """The production desk, with real money, rehearsing, or played again."""
    return one.frame is not None and one.frame.card.mode == "LIVE"


def sides(scene: Scene) -> tuple[Scene, Scene]:
    """The two desks, paper first; where both are of one kind, or not known yet, in the order in which they were asked for."""
    other = scene.beside
    if other is None:
        return scene, scene
    left, right = sorted((scene, other), key=lambda one: (1 if one.frame is None else 2 * is_production(one), one.place))
    return left, right


def banner(scene: Scene, width: int, _: int) -> Panel:
    """One line over the whole width: mode, state, reason, and the fill of its mode or its trouble; paper left and production right."""
    if scene.beside is None:
        return Panel("", [_banner(scene, width)])
    if width < TWO_BANNERS:
        chip = _chip(scene, scene.beside, width) if scene.pane > 1 or not _calm(scene.beside) else ()
        return Panel("", [(*_banner(scene, width - length(chip)), *chip)])
    left, right = sides(scene)
    first = _parted(left, right, width)
    return Panel("", [(*_banner(left, first), *_banner(right, width - first))])


def _parted(left: Scene, right: Scene, width: int) -> int:
    """The first banner's cells: a half where both can say why there; else the one in trouble says all of it, or both as much."""
    bare = [length(_lead(one)) + 1 for one in (left, right)]
    why = [f.width_of(desk_verdict(one).why) + 2 for one in (left, right)]
    room = width - sum(bare)
    if (spare := room - sum(why)) >= 0:
        fill = min(3, spare // 2)
        return max(bare[0] + why[0] + fill, min(width // 2, width - bare[1] - why[1] - fill))
    if _calm(left) is _calm(right):
        return bare[0] + min(why[0], max(room // 2, room - why[1]))
    return bare[0] + max(0, room - why[1] if _calm(left) else min(why[0], room))


def _calm(scene: Scene) -> bool:
    """Whether a desk's state needs no more than its word."""
    return desk_verdict(scene).style in ("running", "waiting")


def _chip(scene: Scene, other: Scene, width: int) -> Row:
    """The other desk's state where there is no room for its banner: as much of it as the keys' desk leaves, least where it is calm."""
    mine, theirs = desk_verdict(scene), desk_verdict(other)
    word, style = mark(other)
    chip: Row = ((" ", ""), (f" {word}{' $' * other.live}" * bool(word), style), (f" {theirs.glyph} {theirs.word} ", theirs.style))
    room = width - length(_lead(scene)) - length(chip)
    if not _calm(other):
        why = short(theirs.why, room - 2) if _calm(scene) else ""
        return (*chip, (f" {why} ", theirs.style)) if why else chip
    if room >= f.width_of(mine.why) + 3:
        return chip
    return ((" ", ""), (f" {word[:1] or '?'}", style), (f" {theirs.glyph} ", theirs.style))


def _lead(scene: Scene) -> Row:
    verdict = desk_verdict(scene)
    return (*mode_block(scene), (f"  {verdict.glyph} {verdict.word} ", verdict.style))


def _banner(scene: Scene, width: int) -> Row:
    verdict = desk_verdict(scene)
    row: list[Span] = [*_lead(scene)]
    room = width - length(row) - 3
    account = _account(scene)
    if tail := short(verdict.why, room) if verdict.why else account * (f.width_of(account) <= room):
        row.append((f" {tail}  ", verdict.style))
    room = width - length(row)
    if room > 0:
        if verdict.style in _FILLS:
            row.append((_FILLS[verdict.style] * room, verdict.style))
        else:
            row.append(("█" * room, "live-fill") if scene.live else ("▒" * room, "paper-fill" if scene.frame else "waiting"))
    return exact(tuple(row), width)


def _account(scene: Scene) -> str:
    if scene.frame is None:
        return ""
    if scene.live:
        return f"real orders, account {f.clean(scene.frame.card.account) or 'not named'}"
    if scene.rehearsing:
        return f"real orders to an exchange on this machine, account {f.clean(scene.frame.card.account)}"
    if scene.replayed:
        return "a finished run, played again: nothing here happens now"
    return "simulated fills, no order leaves this host"


def source(card: DeskCard, width: int = 12) -> Row:
    """Where the facts come from. The word for a working connection is never the word for real money."""
    if card.source in ("tape", REPLAY):
        speed = f"{card.speed}x" if card.speed.replace(".", "").isdigit() else f.said(card.speed, 6).strip() or "?"
        part = min(1.0, max(0.0, card.tape_position))
        filled = round(part * width)
        return (
            ("tape " if card.source == "tape" else "run ", "head"),
            (speed, "bold"),
            (" ▕", "dim"),
            ("█" * filled, "ours"),
            ("░" * (width - filled), "frame"),
            ("▏", "dim"),
            (f"{part * 100:3.0f}%", "bold"),
        )
    name = {"live": "Polymarket feed", "loopback": "loopback exchange"}.get(card.source, f.said(card.source, 16).strip())
    return (("data ", "head"), (name, "bold"))


def feed_lamps(scene: Scene, room: int) -> Row:
    """Each connection: its name and ● up or ✖ down; where there is no room for all, how many there are and which are down."""
    row: list[Span] = []
    feeds = scene.frame.snapshot.feeds if scene.frame is not None else ()
    for feed in feeds:
        lamp: Span = ("?", "dim") if scene.lost else ("●", "up") if feed.up else ("✖", "alarm")
        row += [(f"{'  ' if row else ''}{f.said(feed.link, 10).strip()} ", "head"), lamp]
        if feed.link == "heartbeat" and scene.frame is not None and scene.frame.card.heartbeat_s >= 0:
            row.append((f.fit(f.age(scene.frame.card.heartbeat_s), 6, ">"), "" if feed.up else "alarm"))
    if length(row) <= room or not feeds:
        return tuple(row)
    down = [f.said(feed.link, 10).strip() for feed in feeds if not feed.up]
    if scene.lost:
        return ((f"{len(feeds)} links ", "head"), ("?", "dim"))
    if down and len(" ".join(down)) + 2 > room:
        return ((f"✖ {len(down)} of {len(feeds)} links", "alarm"),)
    return (("✖ " + " ".join(down), "alarm"),) if down else ((f"{len(feeds)} links ", "head"), ("●", "up"))


def strip(scene: Scene, width: int, _: int) -> Panel:
    """The line below the banner: profile, data source, connections, speed of the desk, age of the picture, time."""
    told = [badge._replace(text=badge.text.replace("VENUE ", "")) if width < 120 else badge for badge in badges(scene)]
    signs = tuple(span for badge in told for span in ((" ", ""), (f" {badge.text} ", badge.style)))
    if scene.frame is None:
        return Panel("", [exact((*signs, (" pmm-tui  no picture from the desk yet", "dim")), width)])
    card, snapshot = scene.frame.card, scene.frame.snapshot
    if scene.frozen:
        who = "the desks go on" if scene.beside is not None else "the desk goes on"
        old = "what stands here is old, " if width >= 100 else ""
        text = f" ▌▌ DISPLAY FROZEN at {f.clock(snapshot.at)}{f.zone()}: {old}{who} "
        return Panel("", [exact((*signs, (text, "paused")), width, "paused")])
    bar: Span = (" │ ", "frame")
    stamp = f"{f.day(snapshot.at)} {f.clock(snapshot.at)}{f.zone()}" if width >= 120 else f"{f.clock(snapshot.at)}{f.zone()}"
    tail: Row = ((f"{stamp} ", "bold"),)
    if width >= 120 and not scene.replayed:
        now = scene.wall - (scene.link.age_s * 1e9 if scene.lost and math.isfinite(scene.link.age_s) else 0)
        tail = ((f"{stamp}  ", "bold"), ("up ", "head"), (f"{f.span((now - card.started) / 1e9)} ", ""))
    late = "alarm" if scene.lost and not scene.link.ended else ""
    parts: list[Row] = [
        signs,
        ((" " + f.said(card.profile, min(20, len(f.clean(card.profile)))), "bold"),),
        source(card, 12 if width >= 120 else 8) if width >= 100 or not signs else (),
        LAMPS,
        (("fills ", "head"), (f.said(card.fill_model, 12).strip(), "")) if card.mode == "PAPER" and not scene.replayed else (),
        (("picture ", "head"), (f.age(scene.link.age_s) if scene.link.age_s >= 1 else "now", late)),
        (("answer ", "head"), (f.fit(f"{card.answer_ms:.0f}ms", 6), "")) if card.answer_ms >= 0 else (),
        (("step p99 ", "head"), (f.fit(f"{card.engine_p99_us:.0f}µs", 6), "")) if not scene.replayed else (),
        (("run ", "head"), (f.said(card.run, 40).strip(), "dim")),
    ]
    row: list[Span] = []
    for part in parts:
        if part is LAMPS:
            part = feed_lamps(scene, width - length(row) - length(tail) - 4)
        if part and length(row) + 3 + length(part) + length(tail) <= width - 2:
            row += [bar, *part] if row else list(part)
    gap = width - length(row) - length(tail)
    return Panel("", [exact((*row, (" " * max(0, gap), ""), *tail), width)])


def gauge(snapshot: Snapshot, width: int) -> Row:
    """The drawdown as a bar from 0 to the halt, with the alert level marked: ▕███░░░░┊░░░▏; without a verdict where the books differ."""
    money = snapshot.money
    inner = max(4, width - 2)
    full = min(1.0, max(0.0, money.drawdown_pct / money.halt_pct)) if money.halt_pct > 0 else 0.0
    mark = min(inner - 1, int(inner * money.alert_pct / money.halt_pct)) if money.halt_pct > 0 else inner - 1
    filled = round(full * inner)
    style = "down" if money.drawdown_pct >= money.alert_pct else "warn" if money.drawdown_pct >= money.alert_pct * 2 / 3 else "up"
    style = style if mismatch(snapshot) is None else "dim"
    cells: list[Span] = [("█", style) if cell < filled else ("┊", "warn") if cell == mark else ("░", "frame") for cell in range(inner)]
    return (("▕", "dim"), *cells, ("▏", "dim"))


def _headline(verdict: Verdict, width: int, style: str = "") -> Row:
    word = f" {verdict.glyph} {verdict.word} "
    return ((word, style or verdict.style), (f" {short(verdict.why, width - len(word) - 1)}", "dim"))


def safe(scene: Scene, width: int, _: int) -> Panel:
    """Am I safe?"""
    verdict = safe_verdict(scene)
    style = {"up": "running", "warn": "held"}.get(verdict.style, verdict.style)
    rows: list[Row] = [_headline(verdict, width, style)]
    if scene.frame is None:
        return Panel("Safe?", rows)
    money, markets = scene.frame.snapshot.money, scene.frame.snapshot.markets
    levels = f" alert {money.alert_pct:g}% kill {money.halt_pct:g}%"
    rows.append((*gauge(scene.frame.snapshot, width - len(levels)), (levels, "dim")))
    worst = sum(worst_case(row) for row in markets)
    room = money.equity - money.halts_at
    tone = "down" if money.drawdown_pct >= money.alert_pct else ""
    rows.append(pairs((("drawdown", f"{f.percent(money.drawdown_pct)}", tone), ("in money", f.usd(-max(0, money.drawdown)), tone)), width))
    rows.append(pairs((("deepest", f.usd(-money.max_drawdown), ""), ("to kill", f.usd(max(0, room)), "")), width))
    rows.append(pairs((("reference", money.reference, "dim"), ("worst", f.signed_usd(worst), "minus" if worst < 0 else "")), width))
    return Panel("Safe?", rows)


def tone(cash: int) -> str:
    """The style of a gain or a loss."""
    return "plus" if cash > 0 else "minus" if cash < 0 else ""


def pill(cash: int) -> str:
    """The same with a ground behind it."""
    return {"plus": "gain", "minus": "loss"}.get(tone(cash), "waiting")


def money_row(one: Scene, money: Money) -> Row:
    """The one number: what the run has made."""
    made = money.equity - money.initial
    share = f"{100 * made / money.initial:+.1f}%" if money.initial > 0 else f.NONE
    return ((f" {f.arrow(made)} {f.signed_usd(made)} ", pill(made)), (f" {share} since the start", "dim"))


def money(scene: Scene, width: int, _: int) -> Panel:
    """Am I making money?"""
    if scene.frame is None:
        return Panel("Making money?", [((" – ", "dim"), ("no picture yet", "dim"))])
    account = scene.frame.snapshot.money
    fees, charged = -account.fees, -account.adverse
    last = ("adverse", f.signed_usd(charged), tone(charged)) if charged else ("in orders", f.usd(account.reserved), "")
    rows = [
        money_row(scene, account),
        pairs((("equity", f.usd(account.equity), "bold"), ("free cash", f.usd(account.cash - account.reserved), "")), width),
        pairs(
            (
                ("realised", f.signed_usd(account.realised), tone(account.realised)),
                ("unrealised" if width >= 40 else "unreal.", f.signed_usd(account.unrealised), tone(account.unrealised)),
            ),
            width,
        ),
        pairs(
            (
                ("captured", f.signed_usd(account.captured), tone(account.captured)),
                ("drift", f.signed_usd(account.drift), tone(account.drift)),
            ),
            width,
        ),
        pairs((("rebates" if fees > 0 else "fees", f.signed_usd(fees), tone(fees)), last), width),
    ]
    return Panel("Making money?", rows)


def why_silent(scene: Scene, width: int) -> list[str]:
    """Each market that is not quoting, with its reason; one reason that holds for all of them is said once."""
    markets = scene.frame.snapshot.markets if scene.frame is not None else ()
    silent = [row for row in markets if row.state not in ("quoting", *OVER)]
    whys = [plain(row.why) or row.state for row in silent]
    if len(whys) > 1 and len(set(whys)) == 1:
        return [f"{len(whys)} markets: {whys[0]}"]
    if len(markets) == 1:
        return whys
    rooms = [min(18, max(12, width - f.width_of(why) - 2)) for why in whys]
    return [f"{f.middle(row.question, room).strip()}: {why}" for row, why, room in zip(silent, whys, rooms, strict=True)]


def quotes(scene: Scene, width: int, height: int) -> Panel:
    """Is it quoting, and if not, why?"""
    verdict = quoting_verdict(scene)
    word = f" {verdict.glyph} {verdict.word} "
    if scene.frame is None:
        return Panel("Quoting?", [((word, verdict.style),)])
    snapshot = scene.frame.snapshot
    rejects = sum(snapshot.rejects.values())
    reasons = ", ".join(f"{f.said(name, 14).strip().replace('_', ' ')} {count}" for name, count in snapshot.rejects.items())
    rows: list[Row] = [((word, verdict.style),)]
    room = max(0, height - 3)
    silent = [] if scene.lost or scene.frame.card.busy else why_silent(scene, width - 2)
    if verdict.why and (verdict.glyph == "!" or not silent):
        silent = [verdict.why, *silent]
    texts = wrap(silent[0], width - 2, max(1, min(2, room))) if len(silent) == 1 else silent
    if len(texts) > room:
        texts = [*texts[: room - 1], f"and {len(texts) - room + 1} more"]
    told = "dim" if verdict.style in ("waiting", "running") or scene.lost else "warn"
    rows += [((f" {short(text, width - 2)}", told),) for text in texts]
    rows += [()] * (room - len(texts))
    resting = len(snapshot.orders)
    rows.append(pairs((("open orders", str(resting), "bold"), ("fills", f.count(snapshot.fill_count), "bold")), width))
    refused = ("rejects", f.count(rejects), "warn" if rejects else "")
    rows.append(pairs((("orders sent", f.count(snapshot.orders_sent), ""), refused), width))
    return Panel("Quoting?", rows, f"rejects: {reasons}" if reasons else "")


def summary(scene: Scene, width: int, _: int) -> Panel:
    """Safety and money in two lines, for small screens, where the banner says whether it quotes."""
    safe_ = safe_verdict(scene)
    if scene.frame is None:
        return Panel("", [((f" {safe_.glyph} {safe_.word} ", safe_.style),)])
    account = scene.frame.snapshot.money
    style = {"up": "running", "warn": "held"}.get(safe_.style, safe_.style)
    made = account.equity - account.initial
    told = safe_.why if scene.link.ended or safe_.style not in ("up", "waiting") else ""
    bar = gauge(scene.frame.snapshot, 18) if width >= _ROOMY else gauge(scene.frame.snapshot, 8) if not told else ()
    first: Row = (
        (f" {safe_.glyph} {safe_.word} ", style),
        (" ", ""),
        *bar,
        (f" {f.percent(account.drawdown_pct)} of {account.halt_pct:g}%  ", "dim"),
    )
    room = max(0, width - length(first))
    tail = flow((("max", f.usd(-account.max_drawdown), ""), ("alert", f"{account.alert_pct:g}%", "")), room)
    if told:  # what the banner does not say, or has no room for
        tail = ((short(told, room), (style if style != "waiting" else "dim") if scene.lost else "warn"),)
    second: Row = (
        (f" {f.arrow(made)} {f.signed_usd(made)} ", pill(made)),
        (" ", ""),
        *flow(
            (
                ("eq", f.usd(account.equity), "bold"),
                ("real", f.signed_usd(account.realised), tone(account.realised)),
                ("orders", str(len(scene.frame.snapshot.orders)), ""),
                ("unreal", f.signed_usd(account.unrealised), tone(account.unrealised)),
                ("fills", f.count(scene.frame.snapshot.fill_count), ""),
            ),
            width - 14,
        ),
    )
    return Panel("", [(*first, *tail), second])
