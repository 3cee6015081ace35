"""The console's memory: the collector is kept away from what lives on, and sent for what a closed dialog or another theme leaves behind."""

import gc
from functools import lru_cache
from typing import Any

from textual.app import App

SWEEP_S = 1.0
"""The new screen stands by then."""
TIDY_S = 20.0
"""What the library leaves in cycles, and what the interpreter keeps for use again, is a megabyte by then; to look for it takes 7 ms."""
_Memory = type(lru_cache(str))
_LIBRARIES = ("rich", "textual")
_remembered: list[Any] = []
"""What the libraries keep of what they were asked: fifty memories of up to 4,096 answers, most of which nobody asks for again."""


def keep(app: App[Any]) -> None:
    """What was made so far will live as long as the console: keep the collector away from it, and send it now and then for the rest."""
    gc.collect()
    if not _remembered:  # what is frozen is not found a second time
        memories = (one for one in gc.get_objects() if isinstance(one, _Memory))
        _remembered.extend(one for one in memories if str(one.__module__).partition(".")[0] in _LIBRARIES)
    gc.freeze()
    # A picture is thousands of objects without a cycle: looking oftener doubles the longest turn. What a dialog's painting leaves is found
    # when it is looked at again.
    gc.set_threshold(10_000, 2, 50)
    app.set_interval(TIDY_S, _collect)


def _collect() -> None:
    gc.collect()  # by itself it is no timer's: the library asks a function each time what it takes, and a builtin's answer has to be parsed


def sweep(app: App[Any]) -> None:
    """Let go soon of what a dialog or a theme left: thousands of objects in cycles, for which the collector would come after 20 minutes.

    And of what the libraries remember: regions, colours, styles and widths of every screen that ever was, a hundred more with each dialog,
    and with some of them the painted lines of widgets that are gone.
    """
    for memory in _remembered:
        memory.cache_clear()
    if app.is_running:
        app.call_later(app.set_timer, SWEEP_S, _collect)  # set by the dialog itself, it would know the dialog until then
