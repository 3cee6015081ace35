"""Paper and production on the same markets and the same clock: each figure, their ratio with its interval, and which of them diverge."""

from collections.abc import Sequence
from functools import lru_cache

from msgspec.structs import replace

from pmm_tui.core.snapshot import Stats
from pmm_tui.study.compare import Comparison, interval_written, ratio_written, written
from pmm_tui.study.compare import Row as Line
from pmm_tui.study.compare import compare as laid_side_by_side
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.fresh import lost_word
from pmm_tui.tui.rows.lines import Panel, Row, exact, framed, length, window, wrap
from pmm_tui.tui.rows.top import is_production, sides
from pmm_tui.tui.state import Scene, why_lost
from pmm_tui.tui.troubles import mismatch
from pmm_tui.tui.words import short

_WORDS = {
    "DIVERGES": ("!", "alarm"), "differs": ("≠", "warn"), "alike": ("=", "up"), "unclear": ("?", "dim"), "unsure": ("?", "dim"),
    "too few": ("·", "dim"),
}  # fmt: skip
ROOMY = 100
"""From this width on both sample sizes have a column."""
_HOW = (
    ("a paper desk and a production desk on one tape", "pmm-tui --profile demo"),
    ("two desks of your own profiles, the second with real money", "pmm-tui --profile run-007 --profile prod-001 --live"),
    ("two desks that run already, as pmm-tui ps names them", "pmm-tui attach RUN RUN"),
    ("two finished runs, by their folders", "pmm-tui compare RUN RUN"),
)


@lru_cache(maxsize=2)
def _table(paper: Stats, production: Stats, above: float) -> Comparison:
    """Worked out once for each pair of figures: they change once a second, the screen is drawn ten times."""
    return laid_side_by_side(paper, production, above)


def _unsure(line: Line) -> Line:
    """A figure of a desk whose books differ: none of money has a verdict."""
    return replace(line, verdict="unsure") if line.verdict and line.group in ("Money", "Markouts") else line


def compare(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen."""
    return Panel("", framed(_inside, scene, width, height, scene.live, width >= ROOMY))


def _inside(scene: Scene, width: int, height: int) -> Panel:
    left, right = sides(scene)
    if scene.beside is None:
        return Panel("Comparison", _alone(scene, width))
    told = [one.frame.stats if one.frame is not None else None for one in (left, right)]
    names = _names(scene, left, right)
    for one, stats, name in zip((left, right), told, names, strict=True):
        if stats is None:
            why = f"nothing to compare yet: {why_lost(one.link)}" if one.frame is None else "sends no figures: its own log says why"
            return Panel("Comparison", [((f" {line}", "warn"),) for line in wrap(f"{name}: {why}", width - 2, 3)])
    paper, production = told
    if paper is None or production is None or paper.fields != production.fields:
        return Panel("Comparison", [((f.fit(" the two desks count different figures: they run different versions", width), "warn"),)])
    for stats, name in zip((paper, production), names, strict=True):
        if not any(cell.values[stats.fields.index("watched_s")] for cell in stats.cells):
            return Panel("Comparison", [((f.fit(f" · nothing to compare yet: {name} has watched no market so far", width), "warn"),)])
    old: list[Row] = [
        exact(((f" {word} ", style), (f" {name}: what it counted until {f.age(one.link.age_s)} ago", "warn")), width)
        for one, name in zip((left, right), names, strict=True) for word, style in [lost_word(one)] if word
    ]  # fmt: skip
    table = _table(paper, production, scene.above)
    for one, name in zip((left, right), names, strict=True):
        if one.frame is not None and not one.lost and (differs := mismatch(one.frame.snapshot)) is not None:
            what = f" {name}: its books differ, no money of it is sure"
            old.append(exact(((f" {differs.word} ", "alarm"), (what, "warn")), width))
            table = replace(table, rows=tuple(map(_unsure, table.rows)))
    panel = _drawn(table, names, scene.scroll, width, height - len(old))
    return panel._replace(rows=[*old, *panel.rows])


def _names(scene: Scene, left: Scene, right: Scene) -> tuple[str, str]:
    """What the two columns are called; by their profiles, where both desks are of one kind; before a first picture by the keys."""
    if left.frame is None or right.frame is None:
        unheard = "the desk that the keys go to" if scene.frame is None else "the other desk"
        kinds = [unheard if one.frame is None else "production" if is_production(one) else "paper" for one in (left, right)]
        return (kinds[0], kinds[1]) if kinds[0] != kinds[1] else ("the left desk", "the right desk")
    if is_production(left) is not is_production(right):
        return "paper", "production"
    return f.clean(left.frame.card.profile) or "left desk", f.clean(right.frame.card.profile) or "right desk"


def _alone(scene: Scene, width: int) -> list[Row]:
    known = "has ended" if scene.link.ended else "is not heard" if scene.frame is None or scene.lost else ""
    shown = f"The one desk of this console {known}." if known else "One desk is shown."
    told = f"{shown} The comparison needs two that quote the same markets at the same time:"
    rows: list[Row] = [*(((f" {line}", "bold"),) for line in wrap(told, width - 2, 2)), ()]
    for what, words in _HOW:
        rows += [((f.fit(f" {what}:", width), ""),), (("   ", ""), (words, "ours")), ()]
    return rows


def _drawn(table: Comparison, names: tuple[str, str], scroll: int, width: int, height: int) -> Panel:
    verdict = _verdict(table, width)
    if table.why:
        return Panel("Comparison", verdict)
    over = [((f.first_fit(width, *_basis(table, names, width >= ROOMY)), "dim"),), *verdict, _head(names, width)]
    rows: list[Row] = []
    for number, line in enumerate(table.rows):
        if number == 0 or table.rows[number - 1].group != line.group:
            rows.append(((f" {line.group}", "title"),))
        rows.append(_row(line, width))
    shown, part = window(rows, max(1, height - len(over)), scroll)
    moved = f"{part}  ↑↓ pgdn G" if part else ""
    ratio = "ratio: production over paper" if names[0] == "paper" else "ratio: right over left"
    note = "   ".join(text for text in (ratio, "* of all that both watched" if width >= ROOMY else "", moved) if text)
    return Panel("Comparison", [*over, *shown], note, "frame-alarm" if table.alarms else "")


def _basis(table: Comparison, names: tuple[str, str], roomy: bool) -> tuple[str, ...]:
    """What is compared, at length and in short; what * means, where the foot has no room for it."""
    count, stretch = f"{table.markets} market{'' if table.markets == 1 else 's'}", f"by stretches of {f.age(table.stretch_s)}"
    spent = [f"{name} {f.age(seconds)}" for name, seconds in zip(names, table.quoted_s, strict=True)]
    left = f", {f.count(max(table.older))} older left out" if any(table.older) else ""
    full = f" {count} that both quoted at the same time: with orders resting {' and '.join(spent)}, {stretch}{left}"
    brief = f" {count} quoted by both: {', '.join(spent)}"
    starred = () if roomy else (f"{brief}, by {f.age(table.stretch_s)}{left}; * all watched",)
    return full, *starred, f"{brief}, {stretch}{left}"


def _verdict(table: Comparison, width: int) -> list[Row]:
    """The answer in one line."""
    if table.why:
        return [((f" · {short(f'nothing to compare yet: {table.why}', width - 3)}", "warn"),)]
    if table.alarms:
        head = f" ! {len(table.alarms)} DIVERGE{'S' if len(table.alarms) == 1 else ''} "
        room = width - len(head)
        named = _listed(_alarmed(table.alarms), room - 1, 1 if width >= ROOMY else 2)
        first: Row = ((head, "alarm"), (f.fit(f" {named[0]}", room), "warn"))
        return [first, *(((" " * len(head), ""), (f.fit(f" {text}", room), "warn")) for text in named[1:])]
    judged = sum(row.verdict in ("alike", "differs", "unclear") for row in table.rows)
    few = sum(row.verdict == "too few" for row in table.rows)
    if not judged:
        return [((f.fit(" · too few samples for any verdict yet", width), "dim"),)]
    return [
        ((" = nothing diverges ", "running"), (f.fit(f" {judged} figures judged, {few} with too few samples", max(0, width - 20)), "dim"))
    ]


def _alarmed(rows: Sequence[Line]) -> tuple[str, ...]:
    """The figures by their names; the first of the markouts says that they are these."""
    first = next((row for row in rows if row.group == "Markouts"), None)
    return tuple(f"markouts {row.name.strip()}" if row is first else row.name.strip() for row in rows)


@lru_cache(maxsize=4)  # they change once a second
def _listed(names: tuple[str, ...], width: int, lines: int) -> list[str]:
    """The names over at most so many lines; of those that do not fit, how many they are."""
    for shown in range(len(names), 0, -1):
        rest = f" and {len(names) - shown} more" if shown < len(names) else ""
        made = wrap(", ".join(names[:shown]) + rest, width, len(names))
        if len(made) <= lines:
            return made
    return wrap(names[0], width, lines)


def _widths(width: int) -> tuple[int, int, int, int, int, int]:
    """Cells of the name, each value, the ratio, the interval and the samples; and blanks between them."""
    if width >= ROOMY:
        return min(30, width - 74), 11, 8, 16, 14, 2
    return max(12, width - 57), 8, 6, 16, 6, 1


def _head(names: tuple[str, str], width: int) -> Row:
    name, value, ratio, interval, samples, gap = _widths(width)
    blank = " " * gap
    both = "samples" if width >= ROOMY else "n"
    second = "prod." if names[1] == "production" and value < 10 else names[1]
    text = (
        f"{blank * 2}{f.fit('', name)}{f.fit(names[0], value, '>')}{blank}{f.fit(second, value, '>')}{f.fit('ratio', ratio, '>')}"
        f"{blank}{f.fit('95% interval', interval)}{f.fit(both, samples, '>')}{blank}verdict"
    )
    return exact(((text, "head"),), width)


def _row(line: Line, width: int) -> Row:
    """One figure. A row that is alarmed has its mark, its word and its colour."""
    name, value, ratio, interval, samples, gap = _widths(width)
    mark, style = _WORDS.get(line.verdict, (" ", "dim"))
    blank, loud = " " * gap, "bold" if line.verdict == "DIVERGES" else ""
    least = min(line.samples)
    if width >= ROOMY:
        counted = f"{f.count(line.samples[0])} / {f.count(line.samples[1])}" if any(line.samples) else ""
    else:
        counted = f.count(least) if any(line.samples) else ""
    values = [f.fit(written(one, line.unit), value, ">") for one in (line.paper, line.production)]
    called = line.name.replace("_", " ") + "*" * line.watched
    label = called if name < 20 else f"{f.fit(called, name - 5)}{f.fit(line.unit, 5)}"
    row: Row = (
        (mark, style),
        (" " * (2 * gap - 1), ""),
        (f.fit(label, name), loud or "head"),
        (f"{values[0]}{blank}{values[1]}", loud),
        (f.fit(ratio_written(line.ratio), ratio, ">"), loud or "bold"),
        (f"{blank}{f.fit(interval_written(line.interval), interval)}{f.fit(counted, samples, '>')}{blank}", "dim"),
        (line.verdict, style),
        (" " * max(0, 10 - len(line.verdict)) if line.words else "", ""),
    )
    left = width - length(row)
    return exact((*row, (short(f.clean(line.words), left), "dim")) if line.words and left > 8 else row, width)
