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


def merged(scene: Scene) -> list[tuple[str, NoteRow]]:
    """Every note with its desk's letter (none where there is one desk), newest first; of one moment, paper's first.

    Two desks are told of in this machine's time: a tape's clock is another.
    """
    if scene.beside is None:
        return [("", note) for note in sorted(scene.frame.snapshot.notes, key=lambda note: -note.at)] if scene.frame is not None else []
    notes = [
        (letter(one), note if (at := one.arrived(note.at)) == note.at else replace(note, at=at))
        for one in sides(scene) if one.frame is not None for note in one.frame.snapshot.notes
    ]  # fmt: skip
    notes.sort(key=lambda pair: -pair[1].at)
    return notes


def by_arrival(scene: Scene) -> str:
    """What a list of two desks says where one's own clock is not the list's."""
    desks = (scene, scene.beside) if scene.beside is not None else ()
    apart = any(one.arrived(note.at) != note.at for one in desks if one.frame is not None for note in one.frame.snapshot.notes[:1])
    return "as they came" if apart else ""


def line(mark: str, note: NoteRow, width: int, millis: bool = False) -> Row:
    """One note: time, desk, level, text, as much of it as fits."""
    return _lines(mark, note, width, millis, 1)[0]


def _lines(mark: str, note: NoteRow, width: int, millis: bool, most: int) -> list[Row]:
    """One note over at most so many lines."""
    sign, style = LEVELS.get(note.level, ("? ", "warn"))
    desk: tuple[Span, ...] = ((f"{mark} ", "live" if mark == "L" else "paper"), (" ", "")) if mark else ()
    lead = 9 + 4 * millis + 3 * bool(mark)
    text, room = f.clean(note.text), max(0, width - lead - 3)
    first, *rest = wrap(text, room, most) if most > 1 and f.width_of(text) > room else [f.fit(text, room).rstrip()]
    head: Row = ((f"{f.clock(note.at, millis)} ", "dim"), *desk, (sign, style), (f" {first}", style))
    return [head, *(((f"{' ' * (lead + 3)}{more}", style),) for more in rest)]


def log(scene: Scene, width: int, height: int) -> Panel:
    """The whole screen: what happened, when, on which desk."""
    return Panel("", framed(_inside, scene, width, height, scene.live and scene.beside is None, width >= 100))


def _inside(scene: Scene, width: int, height: int) -> Panel:
    notes = [(mark, note) for mark, note in merged(scene) if matches(scene.filter, f.clean(note.text))]
    rows = [row for mark, note in notes for row in _lines(mark, note, width, width >= 100, WRAPPED)]
    shown, part = window(rows, height, scene.scroll)
    counts = [sum(note.level == level for _, note in notes) for level in ("alarm", "warn")]
    title = f"Events {len(notes)}" + (f"  filter {scene.filter}" if scene.filter else "")
    note = "   ".join(text for text in (by_arrival(scene), f"alarms {counts[0]}  warnings {counts[1]}", part) if text)
    empty = " nothing matches the filter" if scene.filter else " nothing has happened yet"
    return Panel(title, shown or [((empty, "dim"),)], note)
