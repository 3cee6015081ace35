"""Every order that may still fill, by market, with its age, its place in the queue and the cash it holds."""

from functools import partial

from pmm_tui.core.snapshot import Frame, MarketRow, OrderRow, Snapshot
from pmm_tui.core.units import SECOND, Cash, Size, pays
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import both
from pmm_tui.tui.rows.lines import Panel, Row, Span, length, matches, window, wrap
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


_TOLD = 3
"""So many of the venue's refusals are told in its own words."""
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


def acted_on(shown: Scene, one: Scene, width: int) -> str:
    """For the title of a list of many markets: the selected one, on which the keys act; empty for the desk that has not the keys."""
    if shown.market is None or one.frame is not shown.frame or width < 52:
        return ""
    what = "selected" if shown.read_only or shown.replayed else "x f p act on"
    return f"   {what}: {f.middle(shown.market.question, max(12, width - 44)).rstrip()}"


def _line(order: OrderRow, now: int, tick: int, width: int) -> list[Row]:
    """One order, and below it what is to be told of it where that does not fit behind."""
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
    rest, why = width - length(spans) - 1, f.clean(order.why)
    if why and f.width_of(why) > rest:
        return [tuple(spans), *(((f"       {line}", "warn"),) for line in wrap(why, max(12, width - 8), 2))]
    if rest >= 8:
        spans.append((f" {why}", "warn") if why else (f" {f.said(order.venue_id or str(order.id), rest).rstrip()}", "dim"))
    return [tuple(spans)]


def _head(width: int) -> Row:
    cash = "      cash" if width >= WHOLE else ""
    gap = "  " if cash else " "
    return ((f" side  out   price      size   age   ahead{cash}{gap}{f.fit('state', 10)}{' id or why' * (width >= 75)}", "head"),)


def refusals(frame: Frame, width: int) -> list[Row]:
    """How many orders went out, how many were refused, for what; and the venue's newest words for each, the most frequent first."""
    snapshot = frame.snapshot
    counts = sorted(snapshot.rejects.items(), key=lambda one: -one[1])
    total, kinds = sum(snapshot.rejects.values()), ", ".join(f"{f.clean(code).replace('_', ' ')} {count}" for code, count in counts)
    told = f" sent {f.count(snapshot.orders_sent)}   refused {f.count(total)}{': ' if kinds else ''}{kinds}"
    words = dict(frame.stats.reasons) if frame.stats is not None else {}
    said = [(code, words[code]) for code, _ in counts if words.get(code)]
    return [((f.fit(told, width).rstrip(), "head"),)] + [
        ((f" {f.said(code.replace('_', ' '), 12)} ", "head"), (f.said(why, max(0, width - 14)).rstrip(), "dim"))
        for code, why in said[:_TOLD]
    ]


def _inside(whole: Scene, scene: Scene, width: int, height: int) -> Panel:
    """One desk of what is shown."""
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
        rows += [row for order in wanted for row in _line(order, snapshot.at, market.tick if market is not None else 100, width)]
        count += len(wanted)
        committed += sum(pays(order.price, Size(max(0, order.size - order.filled))) for order in wanted if order.side == "BUY")
    foot: list[Row] = [((f" held by buys {f.usd(Cash(committed))}", "head"),), *refusals(scene.frame, width)]
    shown, part = window(rows, max(1, height - 1 - len(foot)), scene.scroll)
    nothing = " nothing matches the filter" if scene.filter and snapshot.orders else " no order is open"
    body = [_head(width), *(shown or [((nothing, "dim"),)])]
    body += [()] * (height - len(foot) - len(body))
    return Panel(f"Orders {count}{acted_on(whole, scene, width)}", [*body, *foot], part)


def orders(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen: paper's orders left, production's right."""
    return both(scene, width, height, partial(_inside, scene))
