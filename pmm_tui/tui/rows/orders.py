"""Every order that may still fill, by market, with its age, its place in the queue and the cash it holds."""

from pmm_tui.core.snapshot import MarketRow, OrderRow, Snapshot
from pmm_tui.core.units import SECOND, Cash, Size, pays
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import both
from pmm_tui.tui.rows.lines import Panel, Row, Span, length, matches, window
from pmm_tui.tui.state import Scene

STATUS = {
    "SENT": ("sending", "sent", "dim"),
    "OPEN": ("resting", "rests", ""),
    "CANCELLING": ("cancelling", "cancel", "warn"),
    "UNCERTAIN": ("UNCERTAIN!", "UNSURE", "alarm"),
    "SETTLING": ("settling", "settle", "warn"),
    "DONE": ("done", "done", "dim"),
    "EXTERNAL": ("EXTERNAL!", "NOT US", "alarm"),
}
"""A word, a shorter one of at most six letters, and a style."""


WHOLE = 66
"""Below this width the cash that an order holds is left out."""


def side(name: str) -> Span:
    """Which way, as a word, an arrow and a colour."""
    return ("BUY ▲", "bid") if name == "BUY" else ("SELL▼", "ask")


def status(order: OrderRow, width: int = 10) -> Span:
    """An order's state in a word."""
    known = STATUS.get(order.status)
    if known is None:
        return (f.said(order.status, width), "warn")
    return (f.fit(known[0] if width >= len(known[0]) else known[1], width), known[2])


def ahead(shares: int) -> str:
    """What is at most in front of us: – while it is not known, first where nothing is."""
    return f.NONE if shares < 0 else "first" if shares == 0 else f.shares(shares)


def by_market(snapshot: Snapshot) -> list[tuple[MarketRow | None, list[OrderRow]]]:
    """Orders under their markets, in the order of the markets; sells above buys, best prices in the middle, as in a ladder."""
    markets: dict[str, MarketRow | None] = {row.id: row for row in snapshot.markets}
    grouped: dict[str, list[OrderRow]] = {}
    for order in snapshot.orders:
        grouped.setdefault(order.market, []).append(order)
    known = [market for market in markets if market in grouped] + [market for market in grouped if market not in markets]
    return [(markets.get(one), sorted(grouped[one], key=lambda order: (order.side == "BUY", -order.price, order.id))) for one in known]


def _line(order: OrderRow, now: int, tick: int, width: int) -> Row:
    left = Size(max(0, order.size - order.filled))
    size = f"{f.shares(order.filled)}/{f.shares(order.size)}" if order.filled else f.shares(order.size)
    needs = f"{f.fit(f.usd(pays(order.price, left)) if order.side == 'BUY' else f.NONE, 9, '>')}  " if width >= WHOLE else " "
    spans: list[Span] = [
        (" ", ""),
        side(order.side),
        (f" {f.said(order.outcome, 5)}{f.fit(f.cents(order.price, tick), 6, '>')} {f.fit(size, 9, '>')}", ""),
        (f" {f.fit(f.age((now - order.sent_at) / SECOND), 5, '>')}", ""),
        (f" {f.fit(ahead(order.ahead), 7, '>')}", "" if order.ahead >= 0 else "dim"),
        (f" {needs}", "dim"),
        status(order),
    ]
    rest = width - length(spans) - 1
    if rest >= 8:
        tail = (order.why, "warn") if order.why else (order.venue_id or str(order.id), "dim")
        spans.append((f" {f.said(tail[0], rest).rstrip()}", tail[1]))
    return tuple(spans)


def _head(width: int) -> Row:
    cash = "      cash" if width >= WHOLE else ""
    return ((f" side  out    price      size   age   ahead{cash}  {f.fit('state', 10)}{' id or why' * (width >= 75)}", "head"),)


def _inside(scene: Scene, width: int, height: int) -> Panel:
    if scene.frame is None:
        return Panel("Orders", [((" no picture from this desk yet", "dim"),)])
    snapshot, chosen = scene.frame.snapshot, scene.market
    rows: list[Row] = []
    count, committed = 0, 0
    for market, orders in by_market(snapshot):
        name = market.question if market is not None else orders[0].market
        wanted = [one for one in orders if matches(scene.filter, f"{f.clean(name)} {one.side} {f.clean(one.outcome)} {one.status}")]
        if not wanted:
            continue
        here = market is not None and chosen is not None and market.id == chosen.id
        rows.append(((f.middle(name, max(8, width - 12)).rstrip(), "title" if here else "head"), (f"  {len(wanted)} open", "dim")))
        rows += [_line(order, snapshot.at, market.tick if market is not None else 100, width) for order in wanted]
        count += len(wanted)
        committed += sum(pays(order.price, Size(max(0, order.size - order.filled))) for order in wanted if order.side == "BUY")
    shown, part = window(rows, height - 2, scene.scroll)
    nothing = " nothing matches the filter" if scene.filter and snapshot.orders else " no order is open"
    body = [_head(width), *(shown or [((nothing, "dim"),)])]
    refused = sum(snapshot.rejects.values())
    foot = f" sent {f.count(snapshot.orders_sent)}   refused {f.count(refused)}   held by buys {f.usd(Cash(committed))}"
    body += [()] * (height - 1 - len(body))
    return Panel(f"Orders {count}", [*body, ((foot, "head"),)], part)


def orders(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen: paper's orders left, production's right."""
    return both(scene, width, height, _inside)
