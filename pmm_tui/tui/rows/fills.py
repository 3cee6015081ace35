"""The newest fills: what each captured, what it cost, who took, how far it is settled, and how long we had waited in the queue."""

import math
from functools import partial

from pmm_tui.core.snapshot import FillRow, Stats
from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.keys import KEYS, Keys
from pmm_tui.tui.rows.duo import TWO_WIDE, both
from pmm_tui.tui.rows.lines import Panel, Row, Span, flow, length, matches, window
from pmm_tui.tui.rows.orders import Page, ahead, heading, side
from pmm_tui.tui.rows.top import tone
from pmm_tui.tui.state import Scene

FOREIGN: Span = ("NOT US ", "alarm")
"""What stands in place of how far it is settled where somebody else sent the order."""
STATUS = {"MATCHED": ("matched", "dim"), "CONFIRMED": ("settled", ""), "FAILED": ("FAILED!", "alarm")}
MATURE = (("0", "at fill"), ("0.5", "0.5s"), ("2", "2s"), ("10", "10s"), ("30", "30s"), ("120", "2m"), ("600", "10m"))
"""Markouts by their names in the run's figures, and how they are headed; a fill's own ones are all but the first."""
AFTER = tuple(label for _, label in MATURE[1:])
WHOLE = 75
"""Below this width a fill drops its fee and how long the venue took to answer."""
ROOMY = 139
"""From this width on a fill's markouts stand in its own line, which still has room to name its market."""
EACH = 8
"""Cells of a markout."""
INDENT = 11
"""Where the markouts below a fill begin."""
_SHORT = 55
"""Below this width a fill drops what was ahead of it, too."""
PAIRED, STATED = 56, 64
"""From these widths on a market's own pane has two markouts, and a word for how far the fill is settled."""


def _one_line(width: int) -> bool:
    return width >= ROOMY


def _followed(width: int) -> tuple[int, ...]:
    """Which markouts a list has room for beside the name of the market: all, or after 2 s, 30 s and 10 min."""
    return tuple(range(len(AFTER))) if width >= WHOLE else (1, 3, 5)


def _heads(width: int) -> str:
    return "".join(f"{AFTER[number]:>{EACH - 1}} " for number in _followed(width))


def _head(width: int) -> list[Row]:
    what, costs = "time     side  out    size price    edge", f"{'fee/reb':>8} role  ahead {'answer':>6} state  "
    if _one_line(width):
        return [((f"{what}{_heads(width)}{costs}  market", "head"),)]
    return [
        ((f"{what}{costs if width >= WHOLE else '  ahead state' if width >= _SHORT else ' state'}", "head"),),
        ((f"{f.fit('after, ¢/sh', INDENT)}{_heads(width)}market", "head"),),
    ]


def after(fill: FillRow, number: int) -> Span:
    """One of a fill's markouts in 8 cells, cents a share: … until its time has come, – where there was no mid to hold it against, or the
    fill is not ours."""
    if fill.foreign:
        return (f.fit(f"{f.NONE} ", EACH, ">"), "dim")
    if len(fill.markouts) <= number:
        return (f.fit("… ", EACH, ">"), "dim")
    out = fill.markouts[number]
    if out is None:
        return (f.fit(f"{f.NONE} ", EACH, ">"), "dim")
    return (f.fit(f"{out / 10_000:{'+' if out else ''}.2f}{f.arrow(out)}", EACH, ">"), tone(out))


def _state(fill: FillRow) -> Span:
    if fill.foreign and fill.status != "FAILED":
        return FOREIGN
    word, style = STATUS.get(fill.status, (f.said(fill.status, 7).strip(), "warn"))
    return (f.fit(word, 7), style)


def _what(fill: FillRow, tick: int, probability: bool = False) -> list[Span]:
    """When, which way, how much at what price, and what it captured, where it was quoted by us: 40 cells."""
    none = fill.status == "FAILED" or fill.foreign
    return [
        (f"{f.clock(fill.at)} ", "dim"),
        side(fill.side),
        (f" {f.said(fill.outcome, 4)}{f.fit(f.shares(fill.size), 7, '>')}{f.fit(f.cents(fill.price, tick, probability), 6, '>')}", ""),
        (f" {f.fit(f.NONE if none else f.signed_usd(fill.edge), 7, '>')}", "dim" if none else tone(fill.edge)),
    ]


def line(fill: FillRow, width: int, tick: int, name: str) -> list[Row]:
    """One fill: its markouts in the line itself where there is room, else below it beside the name of its market."""
    failed = fill.status == "FAILED"
    answer = f.age(fill.answered_ms / 1_000) if fill.answered_ms >= 0 else f.NONE
    costs: list[Span] = [
        (f" {f.fit(f.NONE if failed else f.signed_usd(Cash(-fill.fee)), 7, '>')}", "dim" if failed else tone(-fill.fee)),
        ("     –", "dim") if fill.foreign else (" maker" if fill.maker else " TAKER", "" if fill.maker else "warn"),
    ]
    queue: Span = (f" {f.fit(ahead(fill.ahead), 6, '>')}{f.fit(answer, 6, '>')}", "dim")
    afters = [after(fill, number) for number in _followed(width)]
    if _one_line(width):
        spans = [*_what(fill, tick), *afters, *costs, queue, (" ", ""), _state(fill)]
        return [(*spans, (f"  {f.middle(name, width - length(spans) - 2).rstrip()}", "dim"))]
    below: list[Span] = [(" " * INDENT, ""), *afters]
    below.append((f.middle(name, width - length(below)).rstrip(), "dim"))
    first: Row = (*_what(fill, tick), *costs, queue, (" ", ""), _state(fill)) if width >= WHOLE else _short(fill, width, tick)
    return [first, tuple(below)]


def _end(fill: FillRow) -> Span:
    """How far it is settled; who took stands there where it was us."""
    return (f.fit("TAKER", 7), "warn") if not fill.maker and fill.status != "FAILED" and not fill.foreign else _state(fill)


def _short(fill: FillRow, width: int, tick: int) -> Row:
    """One fill in 55 cells, or 48."""
    queue = f" {f.fit(ahead(fill.ahead), 6, '>')} " if width >= _SHORT else " "
    return (*_what(fill, tick), (queue, "dim"), _end(fill))


def _in_pane(width: int) -> tuple[int, ...]:
    """The markouts that a market's own pane has room for: after 2 s and 30 s, or after 2 s alone."""
    return (1, 3) if width >= PAIRED else (1,)


def pane_head(width: int) -> str:
    """What stands over `pane`."""
    heads = "".join(f"{'@' + AFTER[number]:>{EACH - 1}} " for number in _in_pane(width))
    return f"time     side  out    size price    edge{heads}{' state' * (width >= STATED)}"


def pane(fill: FillRow, width: int, tick: int, probability: bool = False) -> Row:
    """One fill with its edge and what a share of it was worth 2 s and 30 s later, cents; a narrow one has no word for its state."""
    what, afters = _what(fill, tick, probability), [after(fill, number) for number in _in_pane(width)]
    if width >= STATED:
        return (*what, *afters, (" ", ""), _end(fill))
    if fill.status == "FAILED" or fill.foreign:
        what[-1] = (" FAILED!" if fill.status == "FAILED" else " NOT US!", "alarm")
    return (*what, *afters)


def _sums(fills: list[FillRow], width: int) -> Row:
    """What the shown fills of this desk come to, what went wrong first; what somebody else did with its wallet is counted apart."""
    mine = [fill for fill in fills if not fill.foreign]
    good = [fill for fill in mine if fill.status != "FAILED"]
    edge, fees = Cash(sum(fill.edge for fill in good)), Cash(-sum(fill.fee for fill in good))
    makers = f"{100 * sum(fill.maker for fill in good) // len(good)}%" if good else f.NONE
    lost, foreign = len(mine) - len(good), len(fills) - len(mine)
    told = [
        ("", f" these {len(mine)}:", "head"),
        *((("", f"FAILED {lost}", "alarm"),) if lost else ()),
        *((("", f"NOT US {foreign}", "alarm"),) if foreign else ()),
        ("edge", f.signed_usd(edge), tone(edge)),
        ("rebates" if fees > 0 else "fees", f.signed_usd(fees), tone(fees)),
        ("maker", makers, ""),
    ]
    return flow(told, width)


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
        items.append((label, f.fit(shown, 5, ">"), "plus" if cents > 0 else "minus" if cents < 0 else "dim"))
    lead: Row = ((" newest markets, ¢/sh: " if stats is not None and stats.older else " whole run, ¢/sh: ", "head"),)
    return (*lead, *flow(items[:: 1 if width >= 104 else 2], width - length(lead), 2))


def _inside(page: Page, scene: Scene, width: int, height: int) -> Panel:
    """One desk of what is shown."""
    if scene.frame is None:
        return Panel("Fills", [((" no picture from this desk yet", "dim"),)])
    snapshot = scene.frame.snapshot
    names = {row.id: (row.question, row.tick) for row in snapshot.markets}
    wanted: list[FillRow] = []
    lines: list[list[Row]] = []
    for fill in snapshot.fills:
        name, tick = names.get(fill.market, (fill.market, 100))
        status = "NOT US" if fill.foreign else fill.status
        if matches(scene.filter, f"{f.clean(name)} {fill.side} {f.clean(fill.outcome)} {status}"):
            wanted.append(fill)
            lines.append([((" ", ""), *row) for row in line(fill, width - 1, tick, name)])
    means = markouts(scene.frame.stats, width)
    head, foot = [((" ", ""), *row) for row in _head(width - 1)], [row for row in (means, _sums(wanted, width)) if row]
    shown, part = window(lines, max(1, (height - len(head) - len(foot)) // len(head)), scene.scroll)
    nothing = " nothing matches the filter" if scene.filter and snapshot.fills else " no fill yet"
    body = [*head, *([row for one in shown for row in one] or [((nothing, "dim"),)])]
    body += [()] * (height - len(foot) - len(body))
    unit = "markouts in ¢ a share" if _one_line(width - 1) else ""
    note = ", ".join(filter(None, (unit, part)))
    return Panel(heading(page, scene, f"Fills {f.count(snapshot.fill_count)}", note, width), [*body, *foot], note)


def fills(scene: Scene, width: int, height: int, keys: Keys = KEYS) -> Panel:
    """The whole screen: paper's fills left, production's right. `keys`: those of this console."""
    return both(scene, width, height, partial(_inside, Page(scene, keys, width >= TWO_WIDE)))
