"""One market at full size: its ladder, our quotes, the model and limits of each desk, the tape, fills, positions and the mid over time."""

import math
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from pmm_tui.core.snapshot import FillRow, LevelRow, MarketRow, OrderRow, RiskRow
from pmm_tui.core.units import ONE, SECOND, Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.exposed import dark, passed
from pmm_tui.tui.rows import chart
from pmm_tui.tui.rows.duo import desk_word, letter, sides
from pmm_tui.tui.rows.fills import pane, pane_head
from pmm_tui.tui.rows.fresh import UNTOLD, aged, doubted, guards, lost_word, priced, unseen
from pmm_tui.tui.rows.ladder import ladder, reason, state_of
from pmm_tui.tui.rows.lines import Builder, Panel, Row, Span, across, exact, framed, length, pairs, wrap
from pmm_tui.tui.rows.orders import ahead, side, status
from pmm_tui.tui.rows.tape import digits, tape
from pmm_tui.tui.rows.top import feed_lamps, is_production, tone
from pmm_tui.tui.signs import mark
from pmm_tui.tui.state import Scene, why_lost, worst_case
from pmm_tui.tui.words import short

ROOMY = 110
NARROW = 48
"""Below this width a box drops what is least needed."""


def _desks(scene: Scene) -> tuple[Scene, ...]:
    """One desk, or both: paper first."""
    return sides(scene) if scene.beside is not None else (scene,)


def _mark(one: Scene, many: bool) -> Row:
    """Whose line it is, where there are two desks."""
    return ((letter(one), mark(one)[1]), (" ", "")) if many else ()


def _price(scene: Scene, dollars: float, width: int = 0) -> str:
    """A float dollar price with its unit: 52.45¢, or as a probability 0.5245."""
    text = f.cents_of(dollars, 2, scene.probability)
    return f"{f.fit(text, max(width, len(text)), '>')}{'' if scene.probability or not math.isfinite(dollars) else '¢'}"


def _title(row: MarketRow, scene: Scene, width: int) -> Row:
    """Which market, what each outcome costs, its grid, how long it still runs."""
    yes, no = (f.said(name, 8).strip() for name in row.outcomes)
    at = scene.frame.snapshot.at if scene.frame is not None else 0
    shown = _desks(scene) if width >= ROOMY else (scene,)
    states = [
        ((f"{letter(one)} {state.rstrip()}" if scene.beside is not None else state.rstrip(), style), ("  ", ""))
        for one in shown if one.market is not None for state, style in [state_of(one, one.market)]
    ]  # fmt: skip
    mid = priced(row).mid if row.payout_yes is None else row.payout_yes / ONE
    costs = [_price(scene, value, 6 if scene.probability else 5) for value in (mid, 1 - mid)]
    facts: Row = (
        (f"  {yes} ", "head"), (costs[0], "bold"), (f"  {no} ", "head"), (costs[1], "bold"),
        ("  ends " if not row.closes or row.closes > at else "  ", "head"),
        (f.fit(f.left((row.closes - at) / SECOND) if row.closes else f.NONE, 6), ""), (" ", ""),
    )  # fmt: skip
    facts = (*aged(scene, facts), *[span for pair in states for span in pair][:-1])
    grid = f"{f.cents(row.tick, row.tick, scene.probability)}{'' if scene.probability else '¢'}"
    more: Row = (("  tick ", "head"), (grid, ""), ("  id ", "head"), (f"{row.id[:6]}…{row.id[-2:]}", "dim"))
    if width >= ROOMY:
        facts = (*facts, *aged(scene, more))
    name = f.middle(row.question, max(8, width - length(facts) - 2)).rstrip()
    return exact((*aged(scene, ((f" {name}", "title"),)), *facts), width)


def _found(scene: Scene) -> list[tuple[Scene, OrderRow]]:
    """Our orders in this market: those in trouble first, then real money's, sells above buys."""
    market = scene.market
    found = [
        (one, order)
        for one in _desks(scene) if one.frame is not None and market is not None
        for order in one.frame.snapshot.orders if order.market == market.id
    ]  # fmt: skip

    def rank(pair: tuple[Scene, OrderRow]) -> tuple[bool, bool, bool, int, int]:
        one, order = pair
        well = status(order)[1] != "alarm" and not one.stopped
        return (well, not is_production(one), order.side == "BUY", -order.price, order.id)

    return sorted(found, key=rank)


def _quotes(scene: Scene, width: int, height: int) -> Panel:
    """Our orders in this market: age, what is ahead of each in its queue; and why a desk does not quote here."""
    many, market = scene.beside is not None, scene.market
    lead, small = "  " * many, width < 52 + 2 * many
    names = "side  out  price   size  ahead state" if small else "side  out   price      size   age   ahead  state"
    rows: list[Row] = [((f"{lead}{names}", "head"),)]
    for one in _desks(scene):
        if one.market is not None and one.market.state != "quoting":
            word, style = state_of(one, one.market)
            told = short(f"{word.strip()}: {reason(one.market)}", width - 2 * many)
            rows.append((*_mark(one, many), *aged(one, ((told, style),))))
    found, tick = _found(scene), market.tick if market is not None else 100
    for one, order in found:
        now = one.frame.snapshot.at if one.frame is not None else 0
        size = f"{f.shares(order.filled)}/{f.shares(order.size)}" if order.filled else f.shares(order.size)
        price = f.fit(f.cents(order.price, tick, scene.probability), digits(scene, tick), ">")
        row: Row = (
            side(order.side),
            (f" {f.said(order.outcome, 4 if small else 5)}{price} {f.fit(size, 7 if small else 9, '>')}", ""),
            ("" if small else f" {f.fit(f.age((now - order.sent_at) / SECOND), 5, '>')}", ""),
            (f" {f.fit(ahead(order.ahead), 5 if small else 7, '>')} {'' if small else ' '}", ""),
            status(order, 6 if small else 10, unseen(one)),
        )
        rest = width - length(row) - 1 - 2 * many
        why: Row = ((f" {short(f.clean(order.why), rest)}", "warn"),) if order.why and rest > 6 else ()
        rows.append((*_mark(one, many), *(aged(one, (*row, *why)) if many else (*row, *why))))
    if not found:
        rows.append(((f"{lead}no order of ours rests here", "dim"),))
    if len(rows) > height:
        rows = [*rows[: height - 1], ((f"{lead}and {len(rows) - height + 1} more on the orders screen", "dim"),)]
    return Panel(f"Our quotes {len(found)}", rows)


_FIRST = ("fair", "centre", "skew", "half", "touch", "size", "sigma", "net", "worst")
"""The same where there is little room, in two columns."""
_MODEL = ("fair", "centre", "half spread", "skew", "touch", "net", "worst", "sigma", "size")


def _model(scene: Scene, one: Scene) -> dict[str, Span]:
    """What one desk believes of the market and rests there, as text, in the unit of the scene; with ? what nobody vouches for."""
    if one.market is None:
        return {}
    row = priced(one.market)

    def cents(level: LevelRow | None) -> str:
        return f.cents(level.price, row.tick, scene.probability) if level is not None else f.NONE

    skew = (row.centre - row.fair) * ONE / row.tick if row.tick and math.isfinite(row.centre) else math.nan
    source = "" if row.sigma_source == "estimate" else f" {f.said(row.sigma_source, 8).strip()}"
    bid = next((level for level in row.bids if level.ours), None)
    ask = next((level for level in row.asks if level.ours), None)
    sizes = f"{f.shares(bid.ours) if bid else f.NONE} × {f.shares(ask.ours) if ask else f.NONE}"
    worst, rests = worst_case(row), doubted(one, row, *(cents(level) if level else "" for level in (bid, ask)))
    unsure = "?" in rests
    rests = rests if unsure or scene.probability else rests.replace("/", " / ")
    return {
        "fair": (_price(scene, row.fair), "bold"),
        "centre": (_price(scene, row.centre), ""),
        "skew": (f"{skew:+.2f}t" if math.isfinite(skew) else f.NONE, ""),
        "half spread": (f"{_price(scene, row.half_spread)} {f.ticks_of(row.half_spread, row.tick)}", ""),
        "half": (_price(scene, row.half_spread), ""),
        "sigma": (f"{_price(scene, row.sigma)}/√s{source}" if math.isfinite(row.sigma) else f.NONE, "warn" if source else ""),
        "touch": (rests, "warn" if unsure else "ours" if bid or ask else "dim"),
        "size": (sizes, "warn" if unsure else ""),
        "net": (f.signed_shares(row.yes - row.no), "bold"),
        "made": (f.signed_usd(Cash(row.realised + row.unrealised)), tone(row.realised + row.unrealised)),
        "worst": (f.signed_usd(worst), "minus" if worst < 0 else ""),
    }


_WIDEST = {"net position": "largest net", "one market": "largest risk"}
"""What a guard tells of the desk's worst market, beside figures of the selected one."""


def _limits(one: Scene, whole: bool) -> dict[str, Span]:
    """Each limit of one desk: where it stands, and of how much."""

    def style(row: RiskRow) -> str:
        return "held" if row.holding else "alarm" if passed(row) else ""

    told = (row for row in guards(one) if row.used >= 0 or row.holding or row.now == UNTOLD)
    return {
        f.said(_WIDEST.get(row.name, row.name), 13).strip(): (
            _against(f.clean(row.now), f.clean(row.limit)) if whole else _brief(row), style(row),
        )
        for row in told
    }  # fmt: skip


def _brief(row: RiskRow) -> str:
    """Where a limit stands where there is no room for the limit, too; what is counted without the word for it."""
    now = f.clean(row.now)
    return f"{now.removesuffix(' missed')} miss" if now.endswith(" missed") else now


def _against(now: str, limit: str) -> str:
    """Where a limit stands, and how far it reaches; the unit that both have once."""
    unit = limit.rpartition(" ")[2]
    return f"{now.removesuffix(f' {unit}')}{', ' if limit.startswith('>') else ' of '}{limit}"


def _each(scene: Scene, make: Callable[[Scene], dict[str, Span]]) -> list[dict[str, Span]]:
    """A column for each desk; of two, one that is no longer heard is dim."""
    return [
        {name: aged(one, (span,))[0] for name, span in make(one).items()} if scene.beside is not None else make(one)
        for one in _desks(scene)
    ]


def _named(one: Scene, width: int, tone: str) -> Row:
    """The head of a desk's column, apart from the one before it."""
    gone, loud = lost_word(one)
    name = f.first_fit(width - 1, f"{desk_word(one)} {gone}".rstrip(), gone or letter(one))
    return (" " * (width - len(name)), ""), (name, loud or tone)


def _columns(names: Sequence[str], columns: Sequence[dict[str, Span]], width: int, lead: int = 13) -> list[Row]:
    """Names at the left in `lead` cells, one column a desk at the right."""
    each = min(24, max(8, (width - lead) // max(1, len(columns))))
    rows: list[Row] = []
    for name in names:
        cells = [column.get(name, (f.NONE, "dim")) for column in columns]
        row: list[Span] = [(f.fit(name, lead), "head")]
        for text, style in cells:
            said = f.fit(text, min(each - 1, f.width_of(text)))  # a ground that is not behind its text alone runs into its neighbour
            row += [(" " * (each - f.width_of(said)), ""), (said, style)]
        rows.append(tuple(row))
    return rows


def _heads(scene: Scene, width: int, tone: str) -> list[Row]:
    """Over the columns of two desks, which is whose."""
    desks = _desks(scene)
    each = min(24, max(8, (width - 13) // len(desks)))
    return [((" " * 13, ""), *(span for one in desks for span in _named(one, each, tone)))] if len(desks) > 1 else []


def _beliefs(scene: Scene, width: int, height: int) -> Panel:
    """The quote model of each desk."""
    desks = _desks(scene)
    if len(desks) == 1 and height < len(_MODEL):
        model = _model(scene, scene)
        cells = [(name, *model.get(name, (f.NONE, "dim"))) for name in _FIRST]
        return Panel("Quote model", [pairs(cells[at : at + 2], width) for at in range(0, len(cells), 2)])
    rows = _heads(scene, width, "bold")
    rows += _columns(_MODEL, _each(scene, lambda one: _model(scene, one)), width)
    return Panel("Quote model", rows[:height])


def _fills(scene: Scene, width: int, height: int) -> Panel:
    """Our fills in this market, newest first, with what each was worth a share a while later."""
    many, market = scene.beside is not None, scene.market
    lead, room = "  " * many, width - 2 * many
    found: list[tuple[Scene, FillRow]] = []
    for one in _desks(scene):
        shown = one.frame.snapshot.fills if one.frame is not None else ()
        ours = [fill for fill in shown if market is not None and fill.market == market.id]
        found += [(one, replace(fill, at=one.arrived(fill.at)) if many else fill) for fill in ours]
    found.sort(key=lambda pair: -pair[1].at)
    rows: list[Row] = [((f"{lead}{pane_head(room)}", "head"),)]
    tick = market.tick if market is not None else 100
    for one, fill in found[: max(0, height - 1)]:
        row = pane(fill, room, tick, scene.probability)
        rows.append((*_mark(one, many), *(aged(one, row) if many else row)))
    if not found:
        rows.append(((f"{lead}none among the newest fills", "dim"),))
    unit = ", in cents" if scene.probability else ""
    counts = " | ".join(f.count(one.market.fills) if one.market is not None else f.NONE for one in _desks(scene))
    return Panel(f"Our fills here {counts}{unit}", rows, "@ ¢ a share" if found else "")


def _alone(row: MarketRow, names: Sequence[str], width: int) -> list[Row]:
    """One desk's position where there is no room for a table."""
    made, ends = Cash(row.realised + row.unrealised), (Cash(row.yes - row.cost), Cash(row.no - row.cost))
    told = [(name, f.signed_usd(cash), tone(cash)) for name, cash in zip(names, ends, strict=True)]
    end = "if " if max(f.width_of(name + text) for name, text, _ in told) + 4 <= (width - 2) // 2 else "→"
    return [
        pairs(((names[0], f.shares(row.yes), "bold"), (names[1], f.shares(row.no), "bold")), width),
        pairs([(f"{end}{name}", text, style) for name, text, style in told], width),
        pairs((("cost", f.usd(row.cost), ""), ("made", f.signed_usd(made), tone(made))), width),
    ]


def position(scene: Scene, width: int, height: int) -> Panel:
    """What each desk holds here, what that is worth at either end, what it has made; then the limits, those that hold first."""
    held = holdings(scene, width, height)
    columns = _each(scene, lambda one: _lettered(one, scene, _limits(one, width >= NARROW or scene.beside is None)))
    kinds = _kinds(columns)
    loud = sum(any(_loud(column, name) for column in columns) for name in kinds)
    above = held.rows[: max(1 + len(_desks(scene)), height - min(loud, 2))]
    return Panel("Positions and limits", [*above, *_columns(kinds, columns, width)][:height], held.note)


def _lettered(one: Scene, scene: Scene, cells: dict[str, Span]) -> dict[str, Span]:
    """A desk's column with its letter in every cell, where there are two and no head over them."""
    return {name: (f"{letter(one)} {text}", style) for name, (text, style) in cells.items()} if scene.beside is not None else cells


def _unlinked(one: Scene) -> str:
    """Why a desk has no connection: one that reads a recording needs none."""
    return "tape" if one.frame is not None and one.frame.card.source == "tape" else "no connection known"


def _kinds(columns: Sequence[dict[str, Span]]) -> list[str]:
    """The limits that any desk has, those that hold first."""
    names = list(dict.fromkeys(name for column in columns for name in column))
    return sorted(names, key=lambda name: not any(_loud(column, name) for column in columns))


def _loud(column: dict[str, Span], name: str) -> bool:
    """Whether a limit of a desk holds or is reached."""
    return column.get(name, ("", ""))[1] not in ("", "dim")


def holdings(scene: Scene, width: int, height: int) -> Panel:
    """What each desk holds here, what that is worth at either end, what it has made."""
    desks, row = _desks(scene), scene.market
    many = len(desks) > 1
    names = [f.said(name, 5).strip() for name in row.outcomes] if row is not None else ["YES", "NO"]
    if not many and width < NARROW and row is not None:
        rows = _alone(row, names, width)
    else:
        wide = width >= NARROW
        each = min(10, (width - 2 * many) // (5 if wide else 4))
        end = "if " if max(map(len, names)) + 4 <= each else "→"
        titles = (*names, *(f"{end}{name}" for name in names), "made")[: 5 if wide else 4]
        rows = [(("  " * many, ""), *((f.fit(title, each, ">"), "head") for title in titles))]
        for one in desks:
            held = one.market
            if held is None:
                rows.append((*_mark(one, many), ("no picture yet" if one.frame is None else "not watched by this desk", "dim")))
                continue
            money = (Cash(held.yes - held.cost), Cash(held.no - held.cost), Cash(held.realised + held.unrealised))
            cells = [(f.shares(held.yes), ""), (f.shares(held.no), "")]
            cells += [(f.signed_usd(cash, 2 if wide else 0), tone(cash)) for cash in money[: len(titles) - 2]]
            told = tuple((f.fit(text, each, ">"), style) for text, style in cells)
            rows.append((*_mark(one, many), *(aged(one, told) if many else told)))
    wholes = [(one, min(one.market.yes, one.market.no)) for one in desks if one.market is not None and width >= NARROW]
    merges = ", ".join(f"{letter(one)} {f.shares(whole)}" if many else f.shares(whole) for one, whole in wholes if whole)
    return Panel("Positions", rows[:height], f"{merges} pairs could be merged" if merges else "")


def both_positions(scene: Scene, width: int, height: int) -> Panel:
    """Both desks' positions, and what each has made and may lose here."""
    held = holdings(scene, width, height)
    columns = _each(scene, lambda one: _lettered(one, scene, _model(scene, one)))
    rows = [*held.rows, *_columns(("made", "worst"), columns, width, lead=6)]
    return Panel("Positions", rows[:height], held.note)


def limits(scene: Scene, width: int, height: int) -> Panel:
    """Both desks' guards beside each other, those that hold first; then how each one's connections are."""
    desks = _desks(scene)
    columns = _each(scene, lambda one: _limits(one, width >= 70))
    links = [(*_mark(one, True), *(feed_lamps(one, width - 2) or ((_unlinked(one), "dim"),))) for one in desks]
    rows = [*_heads(scene, width, "head"), *_columns(_kinds(columns), columns, width)][: max(1, height - len(links))]
    holding = sum(row.holding for one in desks for row in guards(one))
    return Panel("Guards and feeds", [*rows, *links], f"{holding} holding" if holding else "")


def market(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen for the selected market."""
    row = scene.market
    if row is None:
        none = (dark(scene.frame.snapshot) if scene.frame is not None else "") or "discovery has chosen none"
        nothing = f"no market to show: {none}" if scene.frame is not None else why_lost(scene.link)
        return Panel("", [((f" {line}", "warn"),) for line in wrap(nothing, width - 2, 2)])
    if width >= ROOMY and height >= 28:
        rows = _large(scene, width, height - 1)
    elif width >= 60 and height >= 14:
        rows = _compact(scene, width, height - 1)
    else:
        rows = framed(ladder, replace(scene, beside=None), width, max(1, height - 1), scene.live, False)
    rows = [aged(scene, one) for one in rows] if scene.beside is not None and width < ROOMY else rows
    return Panel("", [_title(row, scene, width), *rows])


def _large(scene: Scene, width: int, height: int) -> list[Row]:
    heavy = scene.live and scene.beside is None
    top = max(14, height * 5 // 9)
    low = max(6, (height - top) // 2)
    last = height - top - low
    left = width * 11 // 20 if width >= 150 else 62
    quotes = max(top // 2, min(top - len(_MODEL) - 2 - (scene.beside is not None), 13))
    narrow = 34 if width >= 150 else 26
    third = (width - narrow) * 5 // 11 if width >= 150 else 40
    wide = width * 2 // 3

    def box(builder: Builder, w: int, h: int) -> list[Row]:
        return framed(builder, scene, w, h, heavy)

    column = [*box(_quotes, width - left, quotes), *box(_beliefs, width - left, top - quotes)]
    return [
        *across(box(ladder, left, top), column),
        *across(box(tape, narrow, low), box(_fills, width - narrow - third, low), box(position, third, low)),
        *across(box(chart.mid, wide, last), box(chart.inventory, width - wide, last)),
    ]


def _compact(scene: Scene, width: int, height: int) -> list[Row]:
    """One desk, for small screens."""
    alone = replace(scene, beside=None)
    left, top = max(1, width * 11 // 20), max(1, height * 2 // 3)
    quotes = max(1, top // 2)

    def part(builder: Builder, w: int, h: int) -> list[Row]:
        return framed(builder, alone, w, h, alone.live, False)

    column = [*part(_quotes, width - left, quotes), *part(_beliefs, width - left, top - quotes)]
    wide, low = width * 3 // 5, height - top
    gap: list[Row] = [((" ", ""),)]
    high = across(part(ladder, left - 1, top), gap * top, column)
    return [*high, *across(part(chart.mid, wide - 1, low), gap * low, part(position, width - wide, low))]
