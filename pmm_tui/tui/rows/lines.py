"""The grain of every pane: spans, rows of an exact width, frames around them. Pure text and style names."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from pmm_tui.tui.format import clean, fit, width_of
from pmm_tui.tui.state import Scene
from pmm_tui.tui.words import short

T = TypeVar("T")
Span = tuple[str, str]
"""Text and the names of its styles."""
Row = tuple[Span, ...]


class Panel(NamedTuple):
    """What a pane shows: its title, a note at its lower right, its rows."""

    title: str
    rows: list[Row]
    note: str = ""
    tone: str = ""
    """Style of the frame where it is not the everyday one."""


Builder = Callable[[Scene, int, int], Panel]
"""(scene, width, height) inside the frame."""


def length(row: Iterable[Span]) -> int:
    """Cells of a row."""
    texts = [text for text, _ in row]
    plain = "".join(texts)
    return len(plain) if plain.isascii() else sum(map(width_of, texts))


@lru_cache(maxsize=512)  # most rows are those of a tenth of a second ago
def exact(row: Row, width: int, fill: str = "") -> Row:
    """The row at exactly `width` cells: padded with blanks in style `fill`, or cut."""
    if (cells := length(row)) <= width:
        return (*row, (" " * (width - cells), fill)) if cells < width else row
    kept: list[Span] = []
    room = width
    for text, style in row:
        cells = width_of(text)
        if cells > room:
            kept.append((fit(text, room), style))
            break
        kept.append((text, style))
        room -= cells
    return tuple(kept)


def tinted(row: Row, style: str) -> Row:
    """The row with one more style on every span."""
    return tuple((text, f"{name} {style}".strip()) for text, name in row)


def block(rows: list[Row], width: int, height: int) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells."""
    blank: Row = ((" " * width, ""),)
    made = [exact(row, width) for row in rows[:height]]
    return made + [blank] * (height - len(made))


def flow(items: Iterable[tuple[str, str, str]], width: int, gap: int = 2) -> Row:
    """Labels and values one after another, as many as fit. An item is (label, value, style of the value)."""
    row: list[Span] = []
    used = 0
    for label, value, style in items:
        lead = " " * gap if row else ""
        text = f"{lead}{label} " if label else lead
        cells = width_of(text) + width_of(value)
        if used + cells > width:
            break
        row += [(text, "head"), (value, style)]
        used += cells
    return tuple(row)


def pairs(items: Iterable[tuple[str, str, str]], width: int, columns: int = 2) -> Row:
    """Labels left and values right in equal columns, so that the numbers of several rows stand under each other."""
    row: list[Span] = []
    gap = 3 if width >= 40 else 2
    each = (width - gap * (columns - 1)) // columns
    for label, value, style in items:
        if row:
            row.append((" " * gap, ""))
        room = each - width_of(value)
        row += [(fit(label, max(0, room - 1)) + " " * (room > 0), "head"), (fit(value, min(each, width_of(value))), style)]
    return tuple(row)


_TIED = "\xa0"
"""Between a number and its unit, which stay in one line."""


def wrap(text: str, width: int, lines: int) -> list[str]:
    """A reason over at most `lines` lines, broken between words; the last is cut between words, too, with an ellipsis."""
    words, made = " ".join(text.split()).replace(" %", f"{_TIED}%").split(" "), [""]
    for number, word in enumerate(words):
        joined = f"{made[-1]} {word}".strip()
        if width_of(joined) <= width or not made[-1]:
            made[-1] = joined
        elif len(made) < lines:
            made.append(word)
        else:
            made[-1] = " ".join([made[-1], *words[number:]])
            break
    made = [line.replace(_TIED, " ") for line in made]
    return [short(line, width) or fit(line, min(width, width_of(line))) for line in made]


@lru_cache(maxsize=256)  # a title changes seldom
def _edge(left: str, line: str, right: str, label: Row, width: int, tone: str, at_end: bool) -> Row:
    """A top or bottom line with a label set into it."""
    room = width - 2
    if not label or length(label) + 4 > room:
        label = exact(label, room - 4) if label and room > 12 else ()
    if not label:
        return ((left + line * room + right, tone),)
    text: Row = ((" ", tone), *label, (" ", tone))
    rest = room - length(text) - 1
    start, end = (rest, 1) if at_end else (1, rest)
    return ((left + line * start, tone), *text, (line * end + right, tone))


def boxed(panel: Panel, width: int, height: int, heavy: bool) -> list[Row]:
    """The panel in a frame of `width` x `height`, one blank beside each edge: light for PAPER, heavy for LIVE."""
    tone = panel.tone or ("frame-live" if heavy else "frame")
    tl, tr, bl, br, line, side = "┏┓┗┛━┃" if heavy else "┌┐└┘─│"
    rows = [_edge(tl, line, tr, ((clean(panel.title), "title"),) if panel.title else (), width, tone, False)]
    left, right = (f"{side} ", tone), (f" {side}", tone)
    rows += [(left, *row, right) for row in block(panel.rows, width - 4, height - 2)]
    rows.append(_edge(bl, line, br, ((clean(panel.note), "dim"),) if panel.note else (), width, tone, True))
    return rows


def ruled(panel: Panel, width: int, height: int, heavy: bool) -> list[Row]:
    """The panel below a single line, for small screens."""
    tone = panel.tone or ("frame-live" if heavy else "frame")
    line = "━" if heavy else "─"
    title, note = clean(panel.title), clean(panel.note)
    head: Row = ((line, tone), (f" {title} ", "title")) if title else ((line, tone),)
    room = width - length(head)
    if note and room > width_of(note) + 6:
        tail: Row = ((f" {note} ", "dim"), (line, tone))
        head = (*head, (line * (room - length(tail)), tone), *tail)
    elif room > 0:
        head = (*head, (line * room, tone))
    return [exact(head, width), *block(panel.rows, width, height - 1)]


def framed(builder: Builder, scene: Scene, width: int, height: int, heavy: bool = False, roomy: bool = True) -> list[Row]:
    """What the builder shows, in exactly `width` x `height`: in a box where it is roomy, else below a single line."""
    if roomy and width >= 12 and height >= 3:
        return boxed(builder(scene, width - 4, height - 2), width, height, heavy)
    if height < 2:
        return block(builder(scene, width, height).rows, width, height)
    return ruled(builder(scene, width, height - 1), width, height, heavy)


def across(*blocks: list[Row]) -> list[Row]:
    """Blocks of one height side by side."""
    return [tuple(span for row in rows for span in row) for rows in zip(*blocks, strict=True)]


def window(rows: list[T], height: int, scroll: int) -> tuple[list[T], str]:
    """The part of a long list that fits, scrolled down but never past its end; and which part that is, where it is not all."""
    first = max(0, min(scroll, len(rows) - height))
    shown = rows[first : first + height]
    return shown, f"{first + 1}-{first + len(shown)} of {len(rows)}" if len(shown) < len(rows) else ""


def matches(wanted: str, text: str) -> bool:
    """Whether a row stays under the filter: nothing wanted, the text has it whatever its case, or has it not where it begins with !."""
    found = wanted.removeprefix("!").casefold() in text.casefold()
    return not wanted.removeprefix("!") or found is not wanted.startswith("!")
