"""Kills that no desk answered: told on the screen until a picture shows that the desk stopped."""

from pmm_tui.api.client import GONE, UNANSWERED
from pmm_tui.tui import format as f
from pmm_tui.tui.elsewhere import Source
from pmm_tui.tui.state import Scene


class Unanswered:
    """The desks of one console that were told to stop and did not say that they heard it."""

    def __init__(self) -> None:
        self._told: list[tuple[Source, str]] = []

    def take(self, source: Source, answer: str) -> None:
        """What a kill brought back from a desk. One that ended in order needs none."""
        if answer.startswith(UNANSWERED) and not source.link().ended:
            self._told = [*((one, text) for one, text in self._told if one is not source), (source, answer)]

    def look(self, source: Source) -> str:
        """What is to be done about a desk by hand; empty once it shows that its kill switch has tripped."""
        answer = next((text for one, text in self._told if one is source), "")
        now = Scene(source.latest(), source.link())
        if answer and now.stopped and not now.lost:
            self._told = [(one, text) for one, text in self._told if one is not source]
            return ""
        return _words(now, answer) if answer else ""


def _words(now: Scene, answer: str) -> str:
    """By which command it is done where the console could not."""
    card = now.frame.card if now.frame is not None else None
    if answer.endswith(GONE) and card is not None and card.mode == "LIVE":
        return f"KILL NOT ANSWERED, the process is gone - pmm-tui cancel {f.clean(card.profile)}"
    return f"KILL NOT ANSWERED - pmm-tui kill {f.clean(card.run) if card is not None else 'RUN'}"
