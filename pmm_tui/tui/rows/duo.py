"""Two desks side by side: paper always left, real money always right, the same rows for both."""

from pmm_tui.core.snapshot import FillRow, MarketRow, Money
from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.killed import killed
from pmm_tui.tui.rows.lines import Builder, Panel, Row, Span, across, exact, framed, length, pairs
from pmm_tui.tui.rows.top import gauge, is_production, mode_block, pill, tone
from pmm_tui.tui.rows.top import sides as sides
from pmm_tui.tui.state import Scene, Verdict, desk_verdict, safe_verdict

HOUR_NS = 3_600 * 10**9
ROWS = 5
TWO_WIDE = 110
"""Two desks fit beside each other from here on."""
_NOTHING: Row = ()


def letter(one: Scene) -> str:
    """P for paper, L for production, in lists that both share; ? before a desk has said what it is."""
    return "?" if one.frame is None else "L" if is_production(one) else "P"


def desk_word(one: Scene) -> str:
    """PAPER, LIVE or NO DESK, for the head of a column."""
    return {"L": "LIVE", "P": "PAPER", "?": "NO DESK"}[letter(one)]


def mode_word(one: Scene) -> str:
    """PAPER or LIVE, for the title of a box."""
    if one.frame is None:
        return "NO DESK"
    return "LIVE $$$" if one.live else "LIVE REHEARSAL" if one.rehearsing else f.said(one.frame.card.mode, 5).strip()


def both(scene: Scene, width: int, height: int, make: Builder) -> Panel:
    """A screen of one kind for each desk: paper left, production right where two fit, else the desk that the keys go to."""
    roomy = width >= TWO_WIDE
    if scene.beside is None or not roomy:
        return Panel("", framed(make, scene, width, height, scene.live, roomy))

    def named(one: Scene, width: int, height: int) -> Panel:
        panel = make(one, width, height)
        return panel._replace(title=f"{mode_word(one)}  {panel.title}")

    half = width // 2
    widths = (half, width - half)
    return Panel("", across(*(framed(named, one, room, height, one.live) for one, room in zip(sides(scene), widths, strict=True))))


def duo(scene: Scene, width: int, height: int) -> Panel:
    """Both desks: is each safe, what has it made, why does it not quote, what does it do in the selected market."""
    if scene.beside is None:
        return Panel("", [])
    left, right = sides(scene)
    if height < ROWS:
        return Panel("", [_line(one, one.frame is scene.frame, width) for one in (left, right)])
    room = (width - 3) // 2
    columns = [_column(one, one.frame is scene.frame, space, height) for one, space in ((left, room), (right, width - 3 - room))]
    rows = [(*exact(a, room), (" │ ", "frame"), *exact(b, width - 3 - room)) for a, b in zip(columns[0], columns[1], strict=True)]
    tone_ = "frame-alarm" if left.stopped or right.stopped else ""
    return Panel("Paper and production", rows, ratios(left, right), tone_)


def _head(one: Scene, chosen: bool, width: int) -> Row:
    verdict: Verdict = desk_verdict(one)
    mark: Span = ("▶ ", "bold") if chosen else ("  ", "")
    row: list[Span] = [mark, *mode_block(one), (f" {verdict.glyph} {verdict.word} ", verdict.style)]
    left = width - length(row)
    return (*row, (f.fit(f" {verdict.why}", left), "dim")) if verdict.why and left > 6 else tuple(row)


def _column(one: Scene, chosen: bool, width: int, height: int) -> list[Row]:
    """One desk in `height` rows; the least needed go first where there are few."""
    head = _head(one, chosen, width)
    if one.frame is None:
        return [head, *[_NOTHING] * (height - 1)]
    snapshot = one.frame.snapshot
    if one.stopped:
        told = [head, *killed(one, width)][:height]
        return told + [_NOTHING] * (height - len(told))
    money = snapshot.money
    waits = [fill.answered_ms for fill in snapshot.fills if fill.answered_ms >= 0]
    refused = sum(snapshot.rejects.values())
    charged, drift = Cash(-money.adverse), ("drift", f.signed_usd(money.drift), tone(money.drift))
    third = ("adverse", f.signed_usd(charged), tone(charged)) if charged else ("maker", _makers(snapshot.fills), "")
    rows = [
        (0, head),
        (1, _safe(one, width)),
        (2, _made(money, width)),
        (7, pairs((("realised", f.signed_usd(money.realised), tone(money.realised)),
                   ("unreal.", f.signed_usd(money.unrealised), tone(money.unrealised)),
                   third), width, 3)),
        (6, pairs((("captured", f.signed_usd(money.captured), tone(money.captured)), drift,
                   ("fees", f.signed_usd(Cash(-money.fees)), tone(-money.fees))), width, 3)),
        (4, pairs((("fills", f.count(snapshot.fill_count), "bold"), ("an hour", hourly(one), ""),
                   ("answer", _middle(waits), "")), width, 3)),
        (5, pairs((("open", str(len(snapshot.orders)), "bold"), ("sent", f.count(snapshot.orders_sent), ""),
                   ("refused", f.count(refused), "warn" if refused else "")), width, 3)),
        (3, _market(one.market, width)),
    ]  # fmt: skip
    kept = sorted(rank for rank, _ in rows)[:height]
    shown = [row for rank, row in rows if rank in kept]
    return shown + [_NOTHING] * (height - len(shown))


def _safe(one: Scene, width: int) -> Row:
    """Safety in a word, how far the kill switch is away, and what holds."""
    verdict = safe_verdict(one)
    money = one.frame.snapshot.money if one.frame is not None else None
    word: Row = ((f" {verdict.glyph} {verdict.word:<7} ", {"up": "running", "warn": "held"}.get(verdict.style, verdict.style)),)
    if money is None:
        return word
    row: Row = (*word, (" ", ""), *gauge(money, 16), (f" {f.fit(f.percent(money.drawdown_pct), 5, '>')} of {money.halt_pct:g}%  ", ""))
    room = max(0, width - length(row))
    return row if verdict.style == "up" and len(verdict.why) > room else (*row, (f.fit(verdict.why, room), "dim"))


def _made(money: Money, width: int) -> Row:
    """The one number, the equity and what of it is free."""
    made = Cash(money.equity - money.initial)
    share = f"{100 * made / money.initial:+.1f}%" if money.initial > 0 else f.NONE
    lead: Row = ((f" {f.arrow(made)} {f.fit(f.signed_usd(made), 10, '>')} ", pill(made)),)
    lead = (*lead, (f" {f.fit(share, 7, '>')}   ", "dim")) if width >= 66 else (*lead, (" " * 3, ""))
    room = (width - 6) // 3 * 3 + 6 - length(lead)
    rest = pairs((("equity", f.usd(money.equity), "bold"), ("free", f.usd(Cash(money.cash - money.reserved)), "")), room)
    return (*lead, *rest)


def _middle(waits: list[float]) -> str:
    return f.age(sorted(waits)[len(waits) // 2] / 1_000) if waits else f.NONE


def _market(row: MarketRow | None, width: int) -> Row:
    """What it quotes and holds in the selected market, or why it does not quote there."""
    if row is None:
        return ((" this market is not watched by this desk", "dim"),)
    if row.state != "quoting":
        return ((f.fit(f" here {row.state}: {f.clean(row.why) or 'no reason given'}", width), "warn"),)
    bid = max((level.price for level in row.bids if level.ours), default=None)
    ask = min((level.price for level in row.asks if level.ours), default=None)
    quotes = f"{f.cents(bid, row.tick) if bid else f.NONE}/{f.cents(ask, row.tick) if ask else f.NONE}"
    net, gain = row.yes - row.no, Cash(row.realised + row.unrealised)
    return pairs(
        (("quotes", quotes, "ours"), ("net here", f.signed_shares(net) if net else "flat", ""), ("made", f.signed_usd(gain), tone(gain))),
        width, 3,
    )  # fmt: skip


def _line(one: Scene, chosen: bool, width: int) -> Row:
    """One desk in one line, for small screens."""
    if one.frame is None:
        return _head(one, chosen, width)
    money = one.frame.snapshot.money
    profit, fills = Cash(money.equity - money.initial), one.frame.snapshot.fill_count
    tail: Row = (
        (f" {f.signed_usd(profit)}", tone(profit)),
        (f"  {fills} fill{'s' * (fills != 1)}  {len(one.frame.snapshot.orders)} open", "dim"),
    )
    verdict = desk_verdict(one)
    word: Row = (("▶ " if chosen else "  ", "bold"), *mode_block(one), (f" {verdict.glyph} {verdict.word} ", verdict.style))
    return exact((*word, *tail), width)


def hourly(one: Scene) -> str:
    """Fills an hour since the desk's first point of the equity curve; a dash before a minute has passed."""
    rate = _rate(one)
    return f.NONE if rate is None else f"{rate:.0f}"


def _rate(one: Scene) -> float | None:
    snapshot = one.frame.snapshot if one.frame is not None else None
    if snapshot is None or not snapshot.equity_curve:
        return None
    past = snapshot.at - snapshot.equity_curve[0][0]
    return snapshot.fill_count * HOUR_NS / past if past >= HOUR_NS // 60 else None


def ratios(left: Scene, right: Scene) -> str:
    """How far the two are apart: production over paper, where both have something to compare."""
    a, b = _rate(left), _rate(right)
    return f"fills an hour, production over paper: {b / a:.2f}" if a and b is not None else "not enough fills to compare yet"


def _makers(fills: tuple[FillRow, ...]) -> str:
    return f"{100 * sum(fill.maker for fill in fills) // len(fills)}%" if fills else f.NONE
