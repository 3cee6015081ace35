"""Two desks side by side: paper always left, real money always right, the same rows for both."""

from pmm_tui.core.snapshot import FillRow, Money
from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.fresh import aged, doubted, lost_word
from pmm_tui.tui.rows.killed import killed
from pmm_tui.tui.rows.lines import Builder, Panel, Row, Span, across, exact, framed, length, pairs, wrap
from pmm_tui.tui.rows.top import gauge, is_production, mode_block, pill, tone
from pmm_tui.tui.rows.top import sides as sides
from pmm_tui.tui.signs import mark
from pmm_tui.tui.state import OVER, Scene, desk_verdict, safe_verdict
from pmm_tui.tui.troubles import Verdict
from pmm_tui.tui.words import reason, short

HOUR_NS = 3_600 * 10**9
ROWS = 5
TWO_WIDE = 110
"""Two desks fit beside each other from here on."""
_NOTHING: Row = ()


def letter(one: Scene) -> str:
    """P for paper, L for production, in lists that both share; ? before a desk has said what it is."""
    return "?" if one.frame is None else "L" if is_production(one) else "P"


def desk_word(one: Scene) -> str:
    """PAPER, LIVE, REHEARSAL, REPLAY, or where it has not said which, WAITING or NO DESK, for the head of a column."""
    waits = one.link.connected or not one.link.attempts
    return mark(one)[0] or ("WAITING" if waits else "NO DESK")


def mode_word(one: Scene) -> str:
    """The same for the title of a box."""
    if one.replayed:
        return f"REPLAY {'LIVE' if is_production(one) else 'PAPER'}"
    return "LIVE $$$" if one.live else "LIVE REHEARSAL" if one.rehearsing else desk_word(one)


def both(scene: Scene, width: int, height: int, make: Builder) -> Panel:
    """A screen of one kind for each desk: paper left, production right where two fit, else the desk that the keys go to."""
    roomy = width >= TWO_WIDE
    if scene.beside is None:
        return Panel("", framed(make, scene, width, height, scene.live, roomy))

    def named(one: Scene, width: int, height: int) -> Panel:
        panel = make(one, width, height)
        gone = f"{lost_word(one)[0]}  " if one.lost and one.frame is not None else ""
        return panel._replace(title=f"{mode_word(one)}  {gone}{panel.title}", rows=[aged(one, row) for row in panel.rows])

    if not roomy:
        return Panel("", framed(named, scene, width, height, scene.live, roomy))
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
    tone_ = "frame-alarm" if any(one.stopped or one.unanswered for one in (left, right)) else ""
    return Panel("Paper and production", rows, ratios(left, right), tone_)


def _head(one: Scene, chosen: bool, width: int) -> Row:
    verdict: Verdict = desk_verdict(one)
    chosen_mark: Span = ("▶ ", "bold") if chosen else ("  ", "")
    row: list[Span] = [chosen_mark, *mode_block(one), (f" {verdict.glyph} {verdict.word} ", verdict.style)]
    left = width - length(row)
    fits = bool(verdict.why) and f.width_of(verdict.why) < left and one.frame is not None
    return (*row, (f" {verdict.why}", "dim")) if fits else tuple(row)


def _small(one: Scene) -> Row:
    """The block of a desk's mode in fewer cells, where trouble needs them."""
    return (("█", "live-fill"), (" LIVE $$$ ", "live"), ("█", "live-fill")) if one.live else mode_block(one)


def _stopped(one: Scene, chosen: bool, width: int, height: int) -> list[Row]:
    """A desk whose kill switch has tripped: what it has made, what was done and proven, what is left."""
    money = one.frame.snapshot.money if one.frame is not None else None
    head, told = _head(one, chosen, width), killed(one, width, chosen)
    if money is None:
        return [head]
    if len(told) + 2 <= height:
        return [head, _made(one, money, width), *told]
    made = Cash(money.equity - money.initial)
    verdict = desk_verdict(one)
    bare = head[: next(at for at, span in enumerate(head) if span[0] == f" {verdict.glyph} {verdict.word} ") + 1]
    bare = (*bare, (f" {f.arrow(made)} {f.signed_usd(made)}", tone(made)))
    whole = (*bare, (f"  equity {f.usd(money.equity)}", "dim"))
    small = (*head[:1], *_small(one), *bare[-2:])
    return [next((row for row in (whole, bare) if length(row) <= width), small), *told]


def _column(one: Scene, chosen: bool, width: int, height: int) -> list[Row]:
    """One desk in `height` rows; the least needed go first where there are few."""
    head = _head(one, chosen, width)
    if one.frame is None:
        told: list[Row] = [head, *(((f"  {line}", "dim"),) for line in wrap(desk_verdict(one).why, width - 4, height - 1))]
        return told + [_NOTHING] * (height - len(told))
    snapshot = one.frame.snapshot
    if one.stopped:
        told = _stopped(one, chosen, width, height)[:height]
        return told + [_NOTHING] * (height - len(told))
    money = snapshot.money
    waits = [fill.answered_ms for fill in snapshot.fills if fill.answered_ms >= 0]
    refused = sum(snapshot.rejects.values())
    charged, drift = Cash(-money.adverse), ("drift", f.signed_usd(money.drift), tone(money.drift))
    third = ("adverse", f.signed_usd(charged), tone(charged)) if charged else ("maker", _makers(snapshot.fills), "")
    rows = [
        (0, head),
        (1, _safe(one, width)),
        (2, _made(one, money, width)),
        (7, pairs((("realised", f.signed_usd(money.realised), tone(money.realised)),
                   ("unreal.", f.signed_usd(money.unrealised), tone(money.unrealised)),
                   third), width, 3)),
        (6, pairs((("captured", f.signed_usd(money.captured), tone(money.captured)), drift,
                   ("rebates" if money.fees < 0 else "fees", f.signed_usd(Cash(-money.fees)), tone(-money.fees))), width, 3)),
        (4, pairs((("fills", f.count(snapshot.fill_count), "bold"), ("an hour", hourly(one), ""),
                   ("answer", _middle(waits), "")), width, 3)),
        (5, pairs((("open", str(len(snapshot.orders)), "bold"), ("sent", f.count(snapshot.orders_sent), ""),
                   ("refused", f.count(refused), "warn" if refused else "")), width, 3)),
        (3, _market(one, width)),
    ]  # fmt: skip
    kept = sorted(rank for rank, _ in rows)[:height]
    shown = [aged(one, row) if rank else row for rank, row in rows if rank in kept]
    return shown + [_NOTHING] * (height - len(shown))


def _safe(one: Scene, width: int) -> Row:
    """Safety in a word, how far the kill switch is away, and what holds."""
    verdict = safe_verdict(one)
    word: Row = ((f" {verdict.glyph} {verdict.word:<7} ", {"up": "running", "warn": "held"}.get(verdict.style, verdict.style)),)
    if one.frame is None:
        return word
    money = one.frame.snapshot.money
    share: Span = (f" {f.fit(f.percent(money.drawdown_pct), 5, '>')} of {money.halt_pct:g}%  ", "")
    wide, narrow = ((*word, (" ", ""), *gauge(one.frame.snapshot, cells), share) for cells in (16, 8))
    for row in (wide, narrow):
        if length(row) + f.width_of(verdict.why) <= width:
            return (*row, (verdict.why, "dim"))
    if verdict.style == "up":
        return wide
    row = (*word, (f" {f.percent(money.drawdown_pct)} of {money.halt_pct:g}%  ", ""))
    return (*row, (short(verdict.why, max(0, width - length(row))), "dim"))


def _made(one: Scene, money: Money, width: int) -> Row:
    """The one number, the equity and what of it is free."""
    made = Cash(money.equity - money.initial)
    share = f"{100 * made / money.initial:+.1f}%" if money.initial > 0 else f.NONE
    lead: Row = ((f" {f.arrow(made)} {f.fit(f.signed_usd(made), 10, '>')} ", pill(made)),)
    lead = (*lead, (f" {f.fit(share, 7, '>')}   ", "dim")) if width >= 66 else (*lead, (" " * 3, ""))
    room = (width - 6) // 3 * 3 + 6 - length(lead)
    lead = (*lead, (" " * ((room - (3 if room >= 40 else 2)) % 2), ""))  # two equal columns end where the three below them do
    rest = pairs((("equity", f.usd(money.equity), "bold"), ("free", f.usd(Cash(money.cash - money.reserved)), "")), room)
    return (*lead, *rest)


def _middle(waits: list[float]) -> str:
    return f.age(sorted(waits)[len(waits) // 2] / 1_000) if waits else f.NONE


def _market(one: Scene, width: int) -> Row:
    """What it quotes and holds in the selected market, or why it does not quote there."""
    row = one.market
    if row is None:
        return ((" no market of this desk is selected", "dim"),)
    if row.state != "quoting":
        return ((f" {short(f'here {row.state}: {reason(row)}', width - 1)}", "dim" if row.state in OVER else "warn"),)
    bid = max((level.price for level in row.bids if level.ours), default=None)
    ask = min((level.price for level in row.asks if level.ours), default=None)
    quotes = doubted(one, row, *("" if own is None else f.cents(own, row.tick) for own in (bid, ask)))
    net, gain = row.yes - row.no, Cash(row.realised + row.unrealised)
    rests = ("ours", quotes, "warn" if "?" in quotes else "ours")
    return pairs(
        (rests, ("net here", f.signed_shares(net) if net else "flat", ""), ("made", f.signed_usd(gain), tone(gain))),
        width, 3,
    )  # fmt: skip


def _line(one: Scene, chosen: bool, width: int) -> Row:
    """One desk in one line, for small screens."""
    if one.frame is None:
        head = _head(one, chosen, width)
        return (*head, (f" {short(desk_verdict(one).why, width - length(head) - 2)}", "dim"))
    money, verdict = one.frame.snapshot.money, desk_verdict(one)
    profit, fills = Cash(money.equity - money.initial), one.frame.snapshot.fill_count
    well = verdict.style == "running"
    mode = mode_block(one) if well else _small(one)
    counts = f"  {fills} fill{'s' * (fills != 1)}" * well + f"  {len(one.frame.snapshot.orders)} open" * (not one.lost and not one.stopped)
    tail = aged(one, ((f" {f.signed_usd(profit)}", tone(profit)), (counts, "dim")))
    word: Row = (("▶ " if chosen else "  ", "bold"), *mode, (f" {verdict.glyph} {verdict.word} ", verdict.style))
    room = width - length((*word, *tail)) - 2
    why: Row = ((f"  {short(verdict.why, room)}", "dim"),) if verdict.why and room > 8 else ()
    return exact((*word, *tail, *why), width)


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
