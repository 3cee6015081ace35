"""Writes to the terminal only the cells that changed: absolute columns, and of a style only what differs from the one before."""

from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from textual.color import Color
from textual.geometry import Region
from textual.renderables.background_screen import BackgroundScreen
from textual.strip import Strip
from textual.widget import Widget

from pmm_tui.tui.palette import style
from pmm_tui.tui.rows.lines import Row

GAP = 4
"""So many unchanged cells cost less when written again than a jump over them."""
_INVISIBLE = frozenset({"1", "2", "3"})
"""What a blank does not show of its style: bold, dim, italic. A line under it or a reversed cell would be seen."""


class Ink:
    """A style as a terminal takes it: what its parts are written as, each empty where the terminal's own is meant."""

    def __init__(self, codes: str) -> None:
        """`codes`: the numbers between the brackets of one SGR sequence."""
        self.attributes: frozenset[str]
        self.ground = self.colour = ""
        plain: list[str] = []
        numbers = iter(codes.split(";") if codes else ())
        for number in numbers:
            if number in ("38", "48"):
                kind = next(numbers)
                whole = ";".join([number, kind, *[next(numbers) for _ in range(3 if kind == "2" else 1)]])
                self.colour, self.ground = (whole, self.ground) if number == "38" else (self.colour, whole)
            elif number[:-1] in ("3", "9"):
                self.colour = number
            elif number[:-1] in ("4", "10"):
                self.ground = number
            else:
                plain.append(number)
        self.attributes = frozenset(plain)

    def after(self, other: "Ink") -> str:
        """What turns the other into this one."""
        codes: list[str] = []
        if not other.attributes <= self.attributes:
            codes, other = ["0"], NO_INK
        codes += sorted(self.attributes - other.attributes)
        if self.colour != other.colour:
            codes.append(self.colour or "39")
        if self.ground != other.ground:
            codes.append(self.ground or "49")
        return f"\x1b[{';'.join(codes)}m" if codes else ""


NO_INK = Ink("")


@lru_cache(maxsize=1_024)
def narrow(text: str) -> bool:
    """Whether each of its characters takes one cell."""
    return text.isascii() or all(cell_len(char) == 1 for char in set(text))


def _filtered(strip: Strip, widget: Widget) -> Strip:
    for one in widget.get_line_filters():
        strip = strip.apply_filter(one, widget.background_colors[1])
    return strip


class _Cells(NamedTuple):
    """A stretch of a row: its text, and for each cell the character whose code is the number of its ink."""

    text: str
    inks: str


class Cover(NamedTuple):
    """A dialog over what is painted."""

    tint: Color
    """What everything round it is shaded with."""
    place: Region
    """The cells that it takes."""


class Brush:
    """Paints a screen in one theme. It knows inks by number, and collects what shall be written until it is taken."""

    def __init__(self, theme: str, cover: Cover | None = None) -> None:
        """`cover`: the dialog on top, round which it paints."""
        self.theme, self.cover = theme, cover
        self._numbers: dict[str, str] = {}
        """For names of styles the character whose code is the number of their ink."""
        self._inks: list[Ink] = []
        self._blanks: list[int] = []
        """For each ink the first one that a blank looks the same in."""
        self._turns: dict[tuple[int, int], str] = {}
        self._said: list[str] = []
        self._ink = -1

    def _draw(self, row: Row, widget: Widget) -> _Cells:
        number_of = self._numbers
        for _, names in row:
            if names not in number_of:
                number_of[names] = self._mix(names, widget)
        return _Cells("".join([text for text, _ in row]), "".join([number_of[names] * len(text) for text, names in row]))

    def _mix(self, names: str, widget: Widget) -> str:
        """A style by the way that the library paints it: through the same filters, and the same shade, to the same colours."""
        strip = _filtered(Strip.blank(1, style(names, self.theme)), widget)
        if self.cover is not None:
            strip = _filtered(Strip(BackgroundScreen.process_segments(strip, self.cover.tint)), widget.app.screen)
        written = "".join(
            Strip.render_style(segment.style, "", widget.app.console._color_system or ColorSystem.TRUECOLOR)
            for segment in strip
            if segment.style is not None
        )
        self._inks.append(ink := Ink(written.removesuffix("\x1b[0m").removeprefix("\x1b[").removesuffix("m")))
        number = len(self._inks) - 1
        alike = (at for at, one in enumerate(self._inks) if one.ground == ink.ground and one.attributes ^ ink.attributes <= _INVISIBLE)
        self._blanks.append(next(alike) if ink.attributes <= _INVISIBLE else number)
        return chr(number)

    def change(self, x: int, y: int, old: Row, new: Row, widget: Widget) -> bool:
        """Where a row that begins at this cell of the screen is no longer what it was, write it. False: it has wide characters."""
        head = x_head = 0
        for span, span_before in zip(new, old, strict=False):
            if span != span_before:
                break
            head, x_head = head + 1, x_head + len(span[0])
        tail = 0
        for span, span_before in zip(new[:head:-1], old[:head:-1], strict=False):
            if span != span_before:
                break
            tail += 1
        middle, middle_before = new[head : len(new) - tail], old[head : len(old) - tail]
        if not all(map(narrow, [text for text, _ in new + middle_before])):
            return False
        self._change(x + x_head, y, self._draw(middle_before, widget), self._draw(middle, widget))
        return True

    def _change(self, x: int, y: int, old: _Cells, new: _Cells) -> None:
        text, inks, blanks = new.text, new.inks, self._blanks
        cells = zip(text, inks, old.text, old.inks, strict=True)
        changed = [
            at
            for at, (char, ink, char_before, ink_before) in enumerate(cells)
            if char != char_before or (ink != ink_before and (char != " " or blanks[ord(ink)] != blanks[ord(ink_before)]))
        ]
        if (cover := self.cover) is not None and cover.place.y <= y < cover.place.bottom:
            changed = [at for at in changed if not cover.place.x <= x + at < cover.place.right]
        if not changed:
            return
        begin = before = changed[0]
        self._said.append(f"\x1b[{y + 1};{x + begin + 1}H")
        for at in changed[1:]:
            gap = at - before
            if gap > 1 and (gap > GAP or inks[before:at] != inks[before] * gap):
                self._write(text, inks, begin, before + 1)
                self._said.append(f"\x1b[{x + at + 1}G")
                begin = at
            before = at
        self._write(text, inks, begin, before + 1)

    def _write(self, text: str, inks: str, begin: int, end: int) -> None:
        """So many cells, in as few styles as show the same."""
        said, blanks, start = self._said, self._blanks, begin
        for at in range(begin, end):
            ink = ord(inks[at])
            if ink != self._ink and (text[at] != " " or self._ink < 0 or blanks[ink] != blanks[self._ink]):
                said.append(text[start:at])
                said.append(self._turn(ink))
                start = at
        said.append(text[start:end])

    def _turn(self, ink: int) -> str:
        key = (self._ink, ink)
        self._ink = ink
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = self._inks[ink].after(self._inks[key[0]] if key[0] >= 0 else NO_INK)
        return turn

    def take(self) -> str:
        """All that is to be written, beginning and ending in the terminal's own style; empty where nothing changed."""
        said = "".join(self._said)
        self._said.clear()
        written, self._ink = self._ink >= 0, -1
        return said + "\x1b[m" * written
