"""Every order that may still fill, by market, with its age, its place in the queue and the cash it holds."""

from functools import partial
from typing import NamedTuple

from pmm_tui.core.snapshot import Frame, MarketRow, OrderRow, Snapshot
from pmm_tui.core.units import SECOND, Cash, Size, pays
from pmm_tui.tui import format as f
from pmm_tui.tui.keys import KEYS, Keys, applies
from pmm_tui.tui.rows.duo import TWO_WIDE, both, mode_word
from pmm_tui.tui.rows.fresh import unseen
from pmm_tui.tui.rows.lines import Panel, Row, Span, length, matches, window, wrap
from pmm_tui.tui.state import Scene
from pmm_tui.tui.words import short

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
_IDS, _BRIEF = 9, 16
"""Cells that an order's names take at least; and those that they have where they stand before what is told of it."""
_ACTS = ("cancel", "flatten", "quote.market")
"""What is done to the selected market."""


def side(name: str) -> Span:
    """Which way, as a word, an arrow and a colour."""
    return ("BUY ▲", "bid") if name == "BUY" else ("SELL▼", "ask")


def status(order: OrderRow, width: int = 10, unsure: bool = False) -> Span:
    """An order's state in a word; `unsure`: that it rests is only what was last heard."""
    known = STATUS.get(order.status)
    if known is None:
        return (f.said(order.status, width), "warn")
    if unsure and order.status == "OPEN":
        return (f.fit("resting?" if width >= 8 else "rests?", width), "warn")
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


class Page(NamedTuple):
    """What a list of many markets is shown on."""

    whole: Scene
    """The desk that the keys go to."""
    keys: Keys
    """Those of this console."""
    roomy: bool
    """Whether each desk's list has a frame of its own."""


def heading(page: Page, one: Scene, named: str, part: str, width: int) -> str:
    """The title of one desk's list: the keys that act on the selected market, and which that is, where they go to this desk.

    `part` is the list's note.
    """
    now = one.present
    keys = [key.show for name in _ACTS for key in page.keys if key.id == name and applies(key, now)]
    if now.market is None or one.frame is not page.whole.frame or one.read_only or not keys:
        return named
    lead = f"{named}   {' '.join(keys)} act{'s' * (len(keys) == 1)} on: "
    whose = f.width_of(mode_word(one)) + 2 if page.whole.beside is not None else 0
    room = width - whose - f.width_of(lead) - (2 if page.roomy else 10 + f.width_of(part))
    return f"{lead}{f.middle(now.market.question, room).rstrip()}" if room >= 12 else named


def ids(order: OrderRow, width: int) -> str:
    """Our own number, by which the log calls an order, and behind it the venue's id, by which it is found there; a long one is cut."""
    own, venue = "" if order.status == "EXTERNAL" else f"{order.id} ", f.clean(order.venue_id)
    room = width - len(own)
    if len(venue) > room:
        venue = f"{venue[: room - 5]}…{venue[-4:]}" if room >= _IDS else f"{venue[: room - 1]}…" if room >= 5 else ""
    return f"{own}{venue}".strip()


def _line(order: OrderRow, now: int, tick: int, width: int, unsure: bool) -> list[Row]:
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
    ]
    spans.append(state := status(order, max(6, min(10, width - length(spans))), unsure))
    trouble, why = state[1] == "alarm", f.clean(order.why)
    rest, tail = width - length(spans) - 1, f.width_of(why) + 2 if why else 0
    told = ": ".join(filter(None, (ids(order, _BRIEF), why))) if trouble and rest < _IDS else why
    if rest >= _IDS:
        fits = rest >= _IDS + tail
        spans.append((f" {ids(order, rest - tail if fits else rest)}", "" if trouble else "dim"))
        if fits and why:
            spans.append((f"  {why}", "warn"))
            told = ""
    return [tuple(spans), *(((f"       {line}", "warn"),) for line in wrap(told, max(12, width - 8), 2) if line)]


def _head(width: int) -> Row:
    cash = "      cash" if width >= WHOLE else ""
    return ((f" side  out   price      size   age   ahead{cash}  {f.fit('state', 10)}{' id, why' * (width >= 75)}", "head"),)


def refusals(frame: Frame, width: int) -> list[Row]:
    """How many orders went out, how many were refused, for what; and the venue's newest words for each, the most frequent first."""
    snapshot = frame.snapshot
    counts = sorted(snapshot.rejects.items(), key=lambda one: -one[1])
    total, kinds = sum(snapshot.rejects.values()), ", ".join(f"{f.clean(code).replace('_', ' ')} {count}" for code, count in counts)
    lead = f" sent {f.count(snapshot.orders_sent)}   refused {f.count(total)}{': ' if kinds else ''}"
    words = dict(frame.stats.reasons) if frame.stats is not None else {}
    said = [(code, words[code]) for code, _ in counts if words.get(code)]
    return [((f"{lead}{short(kinds, max(0, width - len(lead)))}", "head"),)] + [
        ((f" {f.said(code.replace('_', ' '), 12)} ", "head"), (short(f.clean(why), max(0, width - 14)), "dim"))
        for code, why in said[:_TOLD]
    ]


def _inside(page: Page, scene: Scene, width: int, height: int) -> Panel:
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
        tick = market.tick if market is not None else 100
        rows += [row for order in wanted for row in _line(order, snapshot.at, tick, width, unseen(scene))]
        count += len(wanted)
        committed += sum(pays(order.price, Size(max(0, order.size - order.filled))) for order in wanted if order.side == "BUY")
    foot: list[Row] = [((f" held by buys {f.usd(Cash(committed))}", "head"),), *refusals(scene.frame, width)]
    shown, part = window(rows, max(1, height - 1 - len(foot)), scene.scroll)
    nothing = " nothing matches the filter" if scene.filter and snapshot.orders else " no order is open"
    body = [_head(width), *(shown or [((nothing, "dim"),)])]
    body += [()] * (height - len(foot) - len(body))
    return Panel(heading(page, scene, f"Orders {count}", part, width), [*body, *foot], part)


def orders(scene: Scene, width: int, height: int, keys: Keys = KEYS) -> Panel:
    """The whole screen: paper's orders left, production's right. `keys`: those of this console."""
    return both(scene, width, height, partial(_inside, Page(scene, keys, width >= TWO_WIDE)))
