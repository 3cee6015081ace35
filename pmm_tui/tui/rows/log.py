"""The event log of both desks in one, newest on top, each line marked with the desk it came from."""

from msgspec.structs import replace

from pmm_tui.core.snapshot import NoteRow
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import letter, sides
from pmm_tui.tui.rows.fresh import aged
from pmm_tui.tui.rows.lines import Panel, Row, Span, framed, matches, window, wrap
from pmm_tui.tui.signs import mark
from pmm_tui.tui.state import Scene
from pmm_tui.tui.words import short

LEVELS = {"info": ("  ", ""), "warn": ("! ", "warn"), "alarm": ("!!", "alarm")}

WRAPPED = 3
"""The log's own screen gives an event so many lines."""


def merged(scene: Scene) -> list[tuple[Scene, NoteRow]]:
    """Every note with its desk, newest first; of one moment, paper's first.

    Two desks are told of in this machine's time: a tape's clock is another.
    """
    if scene.beside is None:
        found = scene.frame.snapshot.notes if scene.frame is not None else ()
        return [(scene, note) for note in sorted(found, key=lambda note: -note.at)]
    notes = [
        (one, note if (at := one.arrived(note.at)) == note.at else replace(note, at=at))
        for one in sides(scene) if one.frame is not None for note in one.frame.snapshot.notes
    ]  # fmt: skip
    notes.sort(key=lambda pair: -pair[1].at)
    return notes


def by_arrival(scene: Scene) -> str:
    """What a list of two desks says where one's own clock is not the list's."""
    desks = (scene, scene.beside) if scene.beside is not None else ()
    apart = any(one.arrived(note.at) != note.at for one in desks if one.frame is not None for note in one.frame.snapshot.notes[:1])
    return "as they came" if apart else ""


def line(one: Scene, note: NoteRow, width: int, many: bool) -> Row:
    """One note of a desk: time, whose it is where there are many, level, text, as much of it as fits."""
    return _lines(one, note, width, many, False, 1)[0]


def _lines(one: Scene, note: NoteRow, width: int, many: bool, millis: bool, most: int) -> list[Row]:
    """One note over at most so many lines; of a desk that is not heard, beside another, dim."""
    sign, style = LEVELS.get(note.level, ("? ", "warn"))
    desk: tuple[Span, ...] = ((f"{letter(one)} ", mark(one)[1]), (" ", "")) if many else ()
    lead = 9 + 4 * millis + 3 * many
    text, room = f.clean(note.text), max(0, width - lead - 3)
    first, *rest = wrap(text, room, most) if most > 1 and f.width_of(text) > room else [short(text, room) or f.fit(text, room).rstrip()]
    head: Row = ((f"{f.clock(note.at, millis)} ", "dim"), *desk, (sign, style), (f" {first}", style))
    rows = [head, *(((" " * (lead + 3), ""), (more, style)) for more in rest)]
    return [aged(one, row) for row in rows] if many else rows


def log(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen: what happened, when, on which desk."""
    return Panel("", framed(_inside, scene, width, height, scene.live and scene.beside is None, width >= 100))


def _inside(scene: Scene, width: int, height: int) -> Panel:
    desks = [one for one in (scene, scene.beside) if one is not None]
    tone = "frame-alarm" if any(one.stopped or one.unanswered or (one.frame is not None and one.frame.card.busy) for one in desks) else ""
    if all(one.frame is None for one in desks):
        return Panel("Events ?", [((" no picture yet: what has happened is not known", "dim"),)], tone=tone)
    notes = [(one, note) for one, note in merged(scene) if matches(scene.filter, f.clean(note.text))]
    rows = [row for one, note in notes for row in _lines(one, note, width, scene.beside is not None, width >= 100, WRAPPED)]
    shown, part = window(rows, height, scene.scroll)
    counts = [sum(note.level == level for _, note in notes) for level in ("alarm", "warn")]
    title = f"Events {len(notes)}" + (f"  filter {scene.filter}" if scene.filter else "")
    half = "one desk has sent none yet" if any(one.frame is None for one in desks) else ""
    note = "   ".join(text for text in (half, by_arrival(scene), f"logged: alarms {counts[0]}  warnings {counts[1]}", part) if text)
    empty = " nothing matches the filter" if scene.filter else " nothing has happened yet"
    return Panel(title, shown or [((empty, "dim"),)], note, tone)
