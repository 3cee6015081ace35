"""A pane of fixed size drawn line by line: only rows that differ from the last picture are painted again."""

from collections.abc import Callable
from typing import Literal

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from pmm_tui.tui.palette import style
from pmm_tui.tui.rows.lines import Builder, Panel, Row, block, boxed, ruled
from pmm_tui.tui.state import Scene

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

    def __init__(self, builder: Builder, frame: Frame = "box", *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 # the library's own name
        super().__init__(id=id, classes=classes)
        self.builder = builder
        self.frame: Frame = frame
        self.chosen = False
        """Whether its frame says that the keys which need a pane go to this one."""
        self._scene: Scene | None = None
        self._rows: list[Row] = []
        self._strips: list[Strip] = []
        self.painted = 0
        """Rows painted again so far."""

    def apply(self, scene: Scene) -> None:
        """Build the rows for this scene at the present size; mark those that changed."""
        self._scene = scene
        width, height = self.size
        if width < 4 or height < 1:
            return
        across, down = _EDGES[self.frame]
        panel = self.builder(scene, max(1, width - across), max(1, height - down))
        if self.chosen:
            panel = panel._replace(tone="frame-chosen")
        rows = _FRAMES[self.frame](panel, width, height, scene.live)
        if len(rows) != len(self._rows):
            self._rows = rows
            self.restyle()
            return
        for y, row in enumerate(rows):
            if row != self._rows[y]:
                self._rows[y], self._strips[y] = row, self._strip(row)
                self.painted += 1
                self.refresh(Region(0, y, width, 1))

    def restyle(self) -> None:
        """Paint all rows again, in the theme of now."""
        self._strips = [self._strip(row) for row in self._rows]
        self.painted += len(self._rows)
        self.refresh()

    def text(self) -> str:
        """What it shows, as plain text."""
        return "\n".join("".join(text for text, _ in row).rstrip() for row in self._rows)

    def on_resize(self) -> None:
        """Build the last scene again at the new size."""
        if self._scene is not None:
            self.apply(self._scene)

    def render_line(self, y: int) -> Strip:
        """One line, as it was last built."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, style("", self.app.theme))

    def _strip(self, row: Row) -> Strip:
        theme = self.app.theme
        return Strip([Segment(text, style(names, theme)) for text, names in row])
