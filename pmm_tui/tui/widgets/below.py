"""The screen that every dialog lies over."""

from textual.screen import Screen


class Below(Screen[None]):
    """The library's, which would have itself painted again, whole, each time that something below a dialog has just been painted."""

    def _compositor_refresh(self) -> None:
        super()._compositor_refresh()
        if self is not self.app.screen:
            self._repaint_required = False
