"""Dialogs in which one chooses: a short menu, a list that narrows as its words are typed, one line that acts with every letter."""

from collections.abc import Callable
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult

from pmm_tui.tui.dialogs.question import Dialog
from pmm_tui.tui.format import first_fit, fit, width_of
from pmm_tui.tui.rows.lines import Panel, Row, exact, length, matches, tinted
from pmm_tui.tui.state import Scene
from pmm_tui.tui.widgets.pane import Pane

LONGEST = 60
_STEPS = {"down": 1, "ctrl+n": 1, "up": -1, "pagedown": 10, "pageup": -10, "home": -9_999, "end": 9_999}


class Item(NamedTuple):
    """One line of a list. A line without `answer` is a heading, or cannot be chosen."""

    answer: str
    row: Row
    words: str
    """What typing looks for; empty: a heading, which is there only while nothing is typed."""
    below: tuple[Row, ...] = ()
    """Shown under the list while the cursor is here."""


def narrowed(row: Row, alike: list[Row], width: int) -> Row:
    """The row where the longest of its kind is wider than this: its widest column gives way, and does so alike in every row of the kind.

    Facts go whole, from the last; there are two blanks between them. The last column is cut as any text is, unless it is a line.
    """
    over = max(map(length, alike)) - width
    widths = [max(width_of(one[column][0]) for one in alike) for column in range(len(row))]
    at = widths.index(max(widths))
    text, style = row[at]
    room, kept = max(0, widths[at] - over), text.rstrip()
    if over <= 0 or (at == len(row) - 1 and (text.strip("─") or width_of(text) <= room)):
        return row
    while width_of(kept) > room and "  " in kept.lstrip():
        kept = kept.rpartition("  ")[0].rstrip()
    return (*row[:at], (fit(kept, room) if kept.strip("─") else kept[:room], style), *row[at + 1 :])


class Menu(Dialog):
    """A few lines, each with its key: that key takes it, any other closes the menu. Dismissed with the key, or with ""."""

    def __init__(self, title: str, lines: dict[str, Row], scene: Scene) -> None:
        super().__init__(title, [((f" {key} ", "key"), (" ", ""), *row) for key, row in lines.items()], scene, "any other key closes")
        self._answers = frozenset(lines)

    def on_key(self, event: events.Key) -> None:
        """Take a line, or close."""
        event.stop()
        self.dismiss(event.key if event.key in self._answers else "")


class Pick(Dialog):
    """A list with a cursor, narrowed by what is typed. Dismissed with the answer of the chosen line."""

    types = True

    def __init__(self, title: str, items: list[Item], scene: Scene, note: str = "enter chooses   esc cancels") -> None:
        super().__init__(title, [], scene, note)
        self._items = items
        self._at = 0
        self.text = ""
        self._settle(1)

    @property
    def found(self) -> list[Item]:
        """The lines that what is typed lets through, whether they can be chosen or not."""
        return [item for item in self._items if not self.text or (item.words and matches(self.text, item.words))]

    @property
    def tall(self) -> int:
        """As high as the list and what stands below it."""
        below = max((len(item.below) for item in self._items), default=0)
        return len(self._items) + 4 + (below + 1 if below else 0)

    @property
    def wide(self) -> int | str:
        """Room for a run and what it does."""
        return 110

    def build(self, _: Scene, width: int, height: int) -> Panel:
        """What is typed, the list round the cursor, and what belongs to the line there."""
        found = self.found
        below = found[self._at].below if self._at < len(found) else ()
        room = max(1, height - 2 - (len(below) + 1 if below else 0))
        first = max(0, min(self._at - room // 2, len(found) - room))
        rows: list[Row] = [((" ▏", "dim"), (self.text, "bold"), ("▏", "ours"), ("" if self.text else "  type to narrow", "dim")), ()]
        for number, item in enumerate(found[first : first + room], start=first):
            kept = narrowed(item.row, [one.row for one in self._items if len(one.row) == len(item.row)], width - 2)
            row = exact((("▶ " if number == self._at and item.answer else "  ", "ours"), *kept), width)
            rows.append(tinted(row, "sel") if number == self._at and item.answer else row)
        if not found:
            rows.append((("  nothing has these words", "warn"),))
        if below:
            rows += [()] * (height - len(rows) - len(below) - 1)
            rows += [(("─" * width, "frame"),), *below]
        return Panel(self._title, rows[:height], self._note, self.tone)

    def on_key(self, event: events.Key) -> None:
        """Move, type, choose."""
        event.stop()
        if event.key == "escape":
            self.dismiss("")
        elif event.key == "enter":
            found = self.found
            if self._at < len(found) and found[self._at].answer:
                self.dismiss(found[self._at].answer)
        elif event.key in _STEPS:
            self._at += _STEPS[event.key]
            self._settle(1 if _STEPS[event.key] > 0 else -1)
        else:
            self.text = typed(self.text, event)
            self._at = 0
            self._settle(1)
        if self.is_current:
            self.redraw()

    def _settle(self, way: int) -> None:
        """Keep the cursor in the list, and off headings."""
        found = self.found
        for step in (way, -way):
            self._at = max(0, min(len(found) - 1, self._at))
            while 0 <= self._at < len(found) and not found[self._at].answer:
                self._at += step
            if 0 <= self._at < len(found):
                return
        self._at = 0


class Line(Dialog):
    """One line at the foot of the screen; `changed` hears every letter. Dismissed with the text, or with "" by esc."""

    types = True

    def __init__(self, label: str, text: str, scene: Scene, changed: Callable[[str], None]) -> None:
        super().__init__("", [], scene)
        self._label = label
        self._changed = changed
        self.text = text

    def compose(self) -> ComposeResult:
        """One bare line."""
        yield Pane(self.build, "bare", classes="line")

    @property
    def tall(self) -> int:
        """One line."""
        return 1

    @property
    def wide(self) -> int | str:
        """All of it."""
        return "100%"

    def build(self, _: Scene, width: int, height: int) -> Panel:
        """What is typed."""
        row: Row = ((f" {self._label} ", "key"), (" ", ""), (self.text, "bold"), ("▏", "ours"))
        keys = "  enter keeps   esc clears"
        tail = first_fit(width - length(row), f"{keys}   !word shows what is without that word", f"{keys}   !word: without it", keys)
        return Panel("", [(*row, (tail, "dim"))])

    def on_key(self, event: events.Key) -> None:
        """Typing."""
        event.stop()
        if event.key in ("escape", "enter"):
            self.text = self.text if event.key == "enter" else ""
            self._changed(self.text)
            self.dismiss(self.text)
            return
        self.text = typed(self.text, event)
        self._changed(self.text)
        self.redraw()


def typed(text: str, event: events.Key) -> str:
    """A line after one more key: nothing here is dangerous, so nothing is refused but length."""
    if event.key == "backspace":
        return text[:-1]
    if event.key == "ctrl+u":
        return ""
    if event.character is not None and event.is_printable:
        return (text + event.character)[:LONGEST]
    return text
