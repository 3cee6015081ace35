"""The newest fills: what each captured, what it cost, who took, how far it is settled, and how long we had waited in the queue."""

import math

from pmm_tui.core.snapshot import FillRow, Stats
from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import both
from pmm_tui.tui.rows.lines import Panel, Row, Span, flow, length, matches, window
from pmm_tui.tui.rows.orders import ahead, side
from pmm_tui.tui.rows.top import tone
from pmm_tui.tui.state import Scene

STATUS = {"MATCHED": ("matched", "dim"), "CONFIRMED": ("settled", ""), "FAILED": ("FAILED!", "alarm")}
MATURE = (("0", "fill"), ("0.5", "0.5s"), ("2", "2s"), ("10", "10s"), ("30", "30s"), ("120", "2m"), ("600", "10m"))
"""Markouts by their names in the run's figures, and how they are headed."""
WHOLE = 76
"""Below this width a fill drops its fee and how long the venue took to answer."""
NAMED = 90
"""From this width on a fill names its market."""


def _head(width: int) -> Row:
    if width < WHOLE:
        return (("time     side  out    size price    edge   ahead state", "head"),)
    text = "time     side  out    size price    edge     fee role   ahead answer state  "
    return ((text + ("  market" if width >= NAMED else ""), "head"),)


def line(fill: FillRow, width: int, tick: int, name: str) -> Row:
    """One fill in 76 cells, and its market where there is room."""
    failed = fill.status == "FAILED"
    word, style = STATUS.get(fill.status, (f.said(fill.status, 7).strip(), "warn"))
    answer = f.age(fill.answered_ms / 1_000) if fill.answered_ms >= 0 else f.NONE
    spans: list[Span] = [
        (f"{f.clock(fill.at)} ", "dim"),
        side(fill.side),
        (f" {f.said(fill.outcome, 4)}{f.fit(f.shares(fill.size), 7, '>')}{f.fit(f.cents(fill.price, tick), 6, '>')}", ""),
        (f" {f.fit(f.NONE if failed else f.signed_usd(fill.edge), 7, '>')}", "dim" if failed else tone(fill.edge)),
        (f" {f.fit(f.NONE if failed else f.signed_usd(Cash(-fill.fee)), 7, '>')}", "dim" if failed else tone(-fill.fee)),
        (" maker" if fill.maker else " TAKER", "" if fill.maker else "warn"),
        (f" {f.fit(ahead(fill.ahead), 6, '>')} {f.fit(answer, 6, '>')} ", "dim"),
        (f.fit(word, 7), style),
    ]
    if width >= NAMED:
        spans.append((f"  {f.middle(name, max(0, width - length(spans) - 2)).rstrip()}", "dim"))
    return tuple(spans)


def short(fill: FillRow, tick: int, queue: bool) -> Row:
    """One fill in 48 cells, 56 with what was ahead of it in the queue; who took stands where the status does."""
    failed = fill.status == "FAILED"
    word, style = STATUS.get(fill.status, (f.said(fill.status, 7).strip(), "warn"))
    taker = not fill.maker and not failed
    return (
        (f"{f.clock(fill.at)} ", "dim"),
        side(fill.side),
        (f" {f.said(fill.outcome, 4)}{f.fit(f.shares(fill.size), 7, '>')}{f.fit(f.cents(fill.price, tick), 6, '>')}", ""),
        (f" {f.fit(f.NONE if failed else f.signed_usd(fill.edge), 7, '>')} ", "" if failed else tone(fill.edge)),
        (f"{f.fit(ahead(fill.ahead), 7, '>')} " if queue else "", "dim"),
        (f.fit("TAKER" if taker else word, 7), "warn" if taker else style),
    )


def _sums(fills: list[FillRow], width: int) -> Row:
    """What the shown fills come to."""
    good = [fill for fill in fills if fill.status != "FAILED"]
    edge, fees = Cash(sum(fill.edge for fill in good)), Cash(-sum(fill.fee for fill in good))
    makers = f"{100 * sum(fill.maker for fill in good) // len(good)}%" if good else f.NONE
    lost = len(fills) - len(good)
    row: list[Span] = [
        (f" these {len(fills)}:", "head"),
        (" edge ", "head"), (f.signed_usd(edge), tone(edge)),
        ("  fees ", "head"), (f.signed_usd(fees), tone(fees)),
        ("  maker ", "head"), (makers, ""),
        ("  failed ", "head"), (str(lost), "alarm" if lost else ""),
    ]  # fmt: skip
    return tuple(row)


def markouts(stats: Stats | None, width: int) -> Row:
    """What the run's fills are worth a share, cents, so long after each: – where none has matured, no row where the desk does not count."""
    at = {name: number for number, name in enumerate(stats.fields)} if stats is not None else {}
    items: list[tuple[str, str, str]] = []
    for name, label in MATURE:
        if stats is None or f"markout_{name}.w" not in at:
            return ()
        weight, total = (sum(cell.values[at[f"markout_{name}.{part}"]] for cell in stats.cells) for part in "ws")
        cents = 100 * total / weight if weight > 0 else math.nan
        shown = f"{cents:+.2f}" if math.isfinite(cents) else f.NONE
        items.append((label, f.fit(shown, 5, ">"), "up" if cents > 0 else "down" if cents < 0 else "dim"))
    lead: Row = ((" after ¢/sh ", "head"),)
    return (*lead, *flow(items[:: 1 if width >= 92 else 2], width - length(lead), 1))


def _inside(scene: Scene, width: int, height: int) -> Panel:
    if scene.frame is None:
        return Panel("Fills", [((" no picture from this desk yet", "dim"),)])
    snapshot = scene.frame.snapshot
    names = {row.id: (row.question, row.tick) for row in snapshot.markets}
    wanted: list[FillRow] = []
    rows: list[Row] = []
    for fill in snapshot.fills:
        name, tick = names.get(fill.market, (fill.market, 100))
        if matches(scene.filter, f"{f.clean(name)} {fill.side} {f.clean(fill.outcome)} {fill.status}"):
            wanted.append(fill)
            rows.append(line(fill, width, tick, name) if width >= WHOLE else short(fill, tick, True))
    after = markouts(scene.frame.stats, width)
    foot = [row for row in (after, _sums(wanted, width)) if row]
    shown, part = window(rows, height - 1 - len(foot), scene.scroll)
    nothing = " nothing matches the filter" if scene.filter and snapshot.fills else " no fill yet"
    body = [_head(width), *(shown or [((nothing, "dim"),)])]
    body += [()] * (height - len(foot) - len(body))
    return Panel(f"Fills {f.count(snapshot.fill_count)}", [*body, *foot], part)


def fills(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen: paper's fills left, production's right."""
    return both(scene, width, height, _inside)
