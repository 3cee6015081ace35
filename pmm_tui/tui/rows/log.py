"""The event log of both desks in one, newest on top, each line marked with the desk it came from."""

from msgspec.structs import replace

from pmm_tui.core.snapshot import NoteRow
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import letter, sides
from pmm_tui.tui.rows.lines import Panel, Row, Span, framed, matches, window, wrap
from pmm_tui.tui.state import Scene

LEVELS = {"info": ("  ", ""), "warn": ("! ", "warn"), "alarm": ("!!", "alarm")}

WRAPPED = 3
"""The log's own screen gives an event so many lines."""


def merged(scene: Scene) -> list[tuple[Span, NoteRow]]:
    """Every note with its desk's mark (empty where there is one desk), newest first; of one moment, paper's first.

    Two desks are told of in this machine's time: a tape's clock is another.
    """
    if scene.beside is None:
        found = scene.frame.snapshot.notes if scene.frame is not None else ()
        return [(("", ""), note) for note in sorted(found, key=lambda note: -note.at)]
    notes = [
        ((letter(one), "live" if one.live else "paper"), note if (at := one.arrived(note.at)) == note.at else replace(note, at=at))
        for one in sides(scene) if one.frame is not None for note in one.frame.snapshot.notes
    ]  # fmt: skip
    notes.sort(key=lambda pair: -pair[1].at)
    return notes


def by_arrival(scene: Scene) -> str:
    """What a list of two desks says where one's own clock is not the list's."""
    desks = (scene, scene.beside) if scene.beside is not None else ()
    apart = any(one.arrived(note.at) != note.at for one in desks if one.frame is not None for note in one.frame.snapshot.notes[:1])
    return "as they came" if apart else ""


def line(mark: Span, note: NoteRow, width: int, millis: bool = False) -> Row:
    """One note: time, desk, level, text, as much of it as fits."""
    return _lines(mark, note, width, millis, 1)[0]


def _lines(mark: Span, note: NoteRow, width: int, millis: bool, most: int) -> list[Row]:
    """One note over at most so many lines."""
    sign, style = LEVELS.get(note.level, ("? ", "warn"))
    desk: tuple[Span, ...] = ((f"{mark[0]} ", mark[1]), (" ", "")) if mark[0] else ()
    lead = 9 + 4 * millis + 3 * bool(mark[0])
    text, room = f.clean(note.text), max(0, width - lead - 3)
    first, *rest = wrap(text, room, most) if most > 1 and f.width_of(text) > room else [f.fit(text, room).rstrip()]
    head: Row = ((f"{f.clock(note.at, millis)} ", "dim"), *desk, (sign, style), (f" {first}", style))
    return [head, *(((" " * (lead + 3), ""), (more, style)) for more in rest)]


def log(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen: what happened, when, on which desk."""
    return Panel("", framed(_inside, scene, width, height, scene.live and scene.beside is None, width >= 100))


def _inside(scene: Scene, width: int, height: int) -> Panel:
    desks = [one for one in (scene, scene.beside) if one is not None]
    tone = "frame-alarm" if any(one.stopped or (one.frame is not None and one.frame.card.busy) for one in desks) else ""
    if all(one.frame is None for one in desks):
        return Panel("Events ?", [((" no picture yet: what has happened is not known", "dim"),)], tone=tone)
    notes = [(mark, note) for mark, note in merged(scene) if matches(scene.filter, f.clean(note.text))]
    rows = [row for mark, note in notes for row in _lines(mark, note, width, width >= 100, WRAPPED)]
    shown, part = window(rows, height, scene.scroll)
    counts = [sum(note.level == level for _, note in notes) for level in ("alarm", "warn")]
    title = f"Events {len(notes)}" + (f"  filter {scene.filter}" if scene.filter else "")
    half = "one desk has sent none yet" if any(one.frame is None for one in desks) else ""
    note = "   ".join(text for text in (half, by_arrival(scene), f"alarms {counts[0]}  warnings {counts[1]}", part) if text)
    empty = " nothing matches the filter" if scene.filter else " nothing has happened yet"
    return Panel(title, shown or [((empty, "dim"),)], note, tone)
