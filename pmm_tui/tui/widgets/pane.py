"""A pane of fixed size drawn line by line: only what differs from the last picture is painted again."""

from collections.abc import Callable, Sequence
from typing import Literal

from rich.segment import Segment
from textual.color import TRANSPARENT, Color
from textual.dom import NoScreen
from textual.errors import NoWidget
from textual.filter import LineFilter
from textual.geometry import Region, Size
from textual.map_geometry import MapGeometry
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from pmm_tui.tui.palette import style
from pmm_tui.tui.rows.fresh import aged
from pmm_tui.tui.rows.lines import Builder, Panel, Row, block, boxed, ruled
from pmm_tui.tui.state import Scene
from pmm_tui.tui.widgets.brush import Brush

Frame = Literal["box", "rule", "bare"]
_FRAMES: dict[Frame, Callable[[Panel, int, int, bool], list[Row]]] = {
    "box": boxed,
    "rule": ruled,
    "bare": lambda panel, width, height, _: block(panel.rows, width, height),
}
_EDGES: dict[Frame, tuple[int, int]] = {"box": (4, 2), "rule": (0, 1), "bare": (0, 0)}


class Pane(Widget):
    """Shows what its builder makes of a scene."""

    DEFAULT_CSS = """
    Pane { background: $background; }
    """

    def __init__(
        self,
        builder: Builder,
        frame: Frame = "box",
        *,
        id: str | None = None,  # noqa: A002 # the library's own name
        classes: str | None = None,
        pace_s: float = 0.0,
        fades: bool = True,
    ) -> None:
        """`pace_s`: what it shows of a desk may be so old, as long as the desk's state is the same.

        `fades`: it is dim while the one desk is not heard; of two, the builder knows which is.
        """
        super().__init__(id=id, classes=classes)
        self.builder = builder
        self.frame: Frame = frame
        self.chosen = False
        """Whether its frame says that the keys which need a pane go to this one."""
        self._fades = fades
        self._pace_ns = round(pace_s * 1e9)
        self._scene: Scene | None = None
        self._built: Scene | None = None
        """The scene that the rows are of."""
        self._late = False
        """Whether there is another scene since, which was not built."""
        self._shape: tuple[object, ...] = ()
        self._rows: list[Row] = []
        self._strips: list[Strip | None] = []
        self._looks: tuple[Sequence[LineFilter], Color] = ((), TRANSPARENT)
        """The filters, and the ground, that the strips were made for."""
        self._kept = False
        """Whether there are strips that the library asked for."""
        self._base: Screen[object] | None = None
        self._geometry: MapGeometry | None = None
        self._whole: Region | None = None
        """Where it stands by that geometry."""
        self.painted = 0
        """Rows painted again so far."""

    def apply(self, scene: Scene, brush: Brush | None = None) -> None:
        """Build the rows for this scene at the present size; what changed is painted with the brush, without one by the library.

        A pane that is not to be seen waits until it is.
        """
        self._scene, self._late = scene, True
        place = self._place()
        if place is None or self._may_wait(place.size):
            return
        changed = self._build(place.size)
        if brush is None:
            for y, _ in changed:
                self._leave(y)
        else:
            self._paint(brush, place, changed)

    def _place(self) -> Region | None:
        """Where it stands on its screen; None while not all of it is to be seen."""
        try:
            self._base = self._base or self.screen
            geometry = self._base.find_widget(self)
        except (NoWidget, NoScreen):
            return None
        if geometry is not self._geometry:
            self._geometry, self._whole = geometry, geometry.region if geometry.visible_region == geometry.region else None
        return self._whole

    def _may_wait(self, size: Size) -> bool:
        """Whether the rows may stand though the scene is another one: at their pace, and only where the desks are in the same state."""
        scene, built = self._scene, self._built
        if not self._pace_ns or scene is None or built is None or self._shape != self._shape_at(size):
            return False
        return 0 < scene.wall - built.wall < self._pace_ns and _subject(scene) == _subject(built)

    def _shape_at(self, size: Size) -> tuple[object, ...]:
        return (size, self.frame, self.chosen, self.builder)

    def _catch_up(self) -> None:
        """Build what was put off."""
        size = self.size
        if (self._late or self._shape != self._shape_at(size)) and not self._may_wait(size):
            self._build(size)

    def _build(self, size: Size) -> list[tuple[int, Row]]:
        """Make the rows anew; the numbers of those that changed, and what stood there. Where there are more or fewer, all are painted."""
        scene, (width, height) = self._scene, size
        if scene is None or width < 4 or height < 1:
            return []
        self._built, self._shape, self._late = scene, self._shape_at(size), False
        across, down = _EDGES[self.frame]
        panel = self.builder(scene, max(1, width - across), max(1, height - down))
        if self._fades and scene.beside is None:
            panel = panel._replace(rows=[aged(scene, row) for row in panel.rows])
        if self.chosen:
            panel = panel._replace(tone="frame-chosen")
        rows, before = _FRAMES[self.frame](panel, width, height, scene.live), self._rows
        self._rows = rows
        if len(rows) != len(before):
            self.restyle()
            return []
        changed = [(y, old) for y, (old, row) in enumerate(zip(before, rows, strict=True)) if old != row]
        self.painted += len(changed)
        for y, _ in changed:
            self._strips[y] = None
        return changed

    def _paint(self, brush: Brush, place: Region, changed: list[tuple[int, Row]]) -> None:
        for y, old in changed:
            if not brush.change(place.x, place.y + y, old, self._rows[y], self):
                self._leave(y)
            elif self._kept:  # thousands of small objects, of no use for as long as the brush paints
                self._kept, self._strips = False, [None] * len(self._rows)

    def _leave(self, y: int) -> None:
        """Leave a row to the library."""
        self.refresh(Region(0, y, self.size.width, 1))

    def restyle(self) -> None:
        """Paint all rows again, in the theme of now."""
        self._strips = [None] * len(self._rows)
        self.painted += len(self._rows)
        self.refresh()

    def text(self) -> str:
        """What it shows, as plain text."""
        self._catch_up()
        return "\n".join("".join(text for text, _ in row).rstrip() for row in self._rows)

    def on_resize(self) -> None:
        """Build the last scene again at the new size."""
        if self._scene is not None:
            self.apply(self._scene)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines for the library: one strip each. Its own way keeps three, each of which has ten memories of what was made of it."""
        self._catch_up()
        looks = (self.get_line_filters(), self.background_colors[1])
        if looks != self._looks:
            self._looks, self._strips = looks, [None] * len(self._rows)
        self._kept = True
        width, (begin, end) = self.size.width, crop.column_span
        lines = [self.render_line(y).adjust_cell_length(width) for y in crop.line_range]
        return lines if (begin, end) == (0, width) else [line.crop(begin, end) for line in lines]

    def render_line(self, y: int) -> Strip:
        """One line, as it was last built."""
        if y >= len(self._rows):
            return self._strip(((" " * self.size.width, ""),))
        strip = self._strips[y]
        if strip is None:
            strip = self._strips[y] = self._strip(self._rows[y])
        return strip

    def _strip(self, row: Row) -> Strip:
        """Painted in the theme of now, through the library's filters."""
        theme, (filters, ground) = self.app.theme, self._looks
        strip = Strip([Segment(text, style(names, theme)) for text, names in row])
        for one in filters:
            strip = strip.apply_filter(one, ground)
        return strip


def _subject(scene: Scene) -> tuple[object, ...]:
    """Whose picture a scene is, of which market, and in which state."""
    one = scene.frame
    said = (one.card.run, one.snapshot.phase) if one is not None else ()
    beside = _subject(scene.beside) if scene.beside is not None else ()
    return (said, scene.selected, scene.lost, scene.unanswered, scene.symbols, scene.frozen, beside)
