"""The console's memory: the collector is kept away from what lives on, and sent for what a closed dialog or another theme leaves behind."""

import gc
from typing import Any

from rich.cells import cached_cell_len
from textual._styles_cache import StylesCache
from textual.app import App
from textual.filter import ANSIToTruecolor
from textual.strip import Strip

SWEEP_S = 1.0
"""The new screen stands by then."""


def keep() -> None:
    """What was made so far will live as long as the console: keep the collector away from it."""
    gc.collect()
    gc.freeze()
    # A picture is thousands of objects without a cycle: looking oftener doubles the longest turn. What a dialog's painting leaves is found
    # when it is looked at again.
    gc.set_threshold(10_000, 2, 50)


def sweep(app: App[Any]) -> None:
    """Let go soon of what a dialog or a theme left: thousands of objects in cycles, for which the collector would come after 20 minutes.

    And of what the library remembers of it: its memory of 1,024 colours holds a widget's painted lines in each of its keys, that of its
    filters a theme's, that of blanks what was made of each; and the widths of 4,096 texts, nearly all of them old.
    """
    for remembered in (StylesCache.get_inner_outer, ANSIToTruecolor.truecolor_style, Strip.blank, cached_cell_len):
        remembered.cache_clear()
    if app.is_running:
        app.call_later(app.set_timer, SWEEP_S, gc.collect)  # set by the dialog itself, it would know the dialog until then
