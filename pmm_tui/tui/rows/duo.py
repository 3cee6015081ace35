"""Two desks side by side: paper always left, real money always right, the same rows for both."""

from pmm_tui.core.snapshot import FillRow, MarketRow
from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.lines import Panel, Row, Span, exact, flow, length
from pmm_tui.tui.rows.top import mode_block
from pmm_tui.tui.state import Scene, Verdict, desk_verdict

HOUR_NS = 3_600 * 10**9
ROWS = 5
_NOTHING: Row = ()


def sides(scene: Scene) -> tuple[Scene, Scene]:
    """The two desks, paper first; where both are of one kind, the one that is the target first."""
    other = scene.beside
    if other is None:
        return scene, scene
    return (other, scene) if _is_production(scene) and not _is_production(other) else (scene, other)


def _is_production(one: Scene) -> bool:
    return one.live or one.rehearsing


def duo(scene: Scene, width: int, height: int) -> Panel:
    """Both desks: is each safe, what has it made, how often was it filled, what does it quote in the selected market."""
    if scene.beside is None:
        return Panel("", [])
    left, right = sides(scene)
    if height < ROWS:
        return Panel("", [_line(one, one.frame is scene.frame, width) for one in (left, right)])
    room = (width - 3) // 2
    rows = [
        (*exact(a, room), (" │ ", "frame"), *exact(b, room))
        for a, b in zip(_column(left, left.frame is scene.frame, room), _column(right, right.frame is scene.frame, room), strict=True)
    ]
    return Panel("Paper and production", rows, ratios(left, right))


def _head(one: Scene, chosen: bool, width: int) -> Row:
    verdict: Verdict = desk_verdict(one)
    mark: Span = ("▶ ", "bold") if chosen else ("  ", "")
    row: list[Span] = [mark, *mode_block(one), (f" {verdict.glyph} {verdict.word} ", verdict.style)]
    left = width - length(row)
    return (*row, (f.fit(f" {verdict.why}", left), "dim")) if verdict.why and left > 6 else tuple(row)


def _column(one: Scene, chosen: bool, width: int) -> list[Row]:
    head = _head(one, chosen, width)
    if one.frame is None:
        return [head, *[_NOTHING] * (ROWS - 1)]
    snapshot = one.frame.snapshot
    money = snapshot.money
    profit = Cash(money.equity - money.initial)
    waits = [fill.answered_ms for fill in snapshot.fills if fill.answered_ms >= 0]
    refused = sum(snapshot.rejects.values())
    return [
        head,
        flow((("equity", f.usd(money.equity), "bold"), ("profit", f.signed_usd(profit), _tone(profit)),
              ("drawdown", f.percent(money.drawdown_pct), ""), ("kill at", f"{money.halt_pct:g}%", "dim")), width),
        flow((("fills", str(snapshot.fill_count), "bold"), ("an hour", hourly(one), ""), ("maker", _makers(snapshot.fills), ""),
              ("captured", f.signed_usd(money.captured), ""), ("fees", f.signed_usd(Cash(-money.fees)), "")), width),
        flow((("open orders", str(len(snapshot.orders)), "bold"), ("sent", str(snapshot.orders_sent), ""),
              ("refused", str(refused), "warn" if refused else ""), ("answered in", _middle(waits), "")), width),
        _market(one.market, width),
    ]  # fmt: skip


def _middle(waits: list[float]) -> str:
    return f"{sorted(waits)[len(waits) // 2]:.0f}ms" if waits else f.NONE


def _market(row: MarketRow | None, width: int) -> Row:
    """What it quotes in the selected market, and what it holds there."""
    if row is None:
        return ((" this market is not watched here", "dim"),)
    resting = [level for level in (*row.bids, *row.asks) if level.ours]
    bid = max((level.price for level in row.bids if level.ours), default=None)
    ask = min((level.price for level in row.asks if level.ours), default=None)
    quotes = f"{f.cents(bid, row.tick) if bid else f.NONE}/{f.cents(ask, row.tick) if ask else f.NONE}"
    net = row.yes - row.no
    gain = Cash(row.realised + row.unrealised)
    return flow(
        (("quotes", quotes, "ours" if resting else "dim"), ("net", f.shares(net) if net else "flat", ""),
         ("here", f.signed_usd(gain), _tone(gain)), ("fills", str(row.fills), "")), width
    )  # fmt: skip


def _line(one: Scene, chosen: bool, width: int) -> Row:
    """One desk in one line, for small screens."""
    if one.frame is None:
        return _head(one, chosen, width)
    money = one.frame.snapshot.money
    profit = Cash(money.equity - money.initial)
    tail: Row = (
        (f" {f.signed_usd(profit)}", _tone(profit)),
        (f"  {one.frame.snapshot.fill_count} fills  {len(one.frame.snapshot.orders)} open", "dim"),
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


def _tone(cash: int) -> str:
    return "up" if cash > 0 else "down" if cash < 0 else ""
