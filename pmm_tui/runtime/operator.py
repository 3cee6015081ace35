"""Whether somebody watches the desk, and what it does by itself when nobody does."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from pmm_tui.core.commands import Alert
from pmm_tui.core.instructions import Instruction, Killed, Paused
from pmm_tui.runtime.loop import NOT_YET

LOST_S = 3.0
"""A console that comes back within this was never lost."""
LEAVES_S = 5.0
"""A console that said that it leaves is gone by then: whoever is lost later did not say so."""
LOOK_S = 0.25
Policy = Literal["keep", "pause", "cancel_all"]


class Operator:
    """The signs of life of whoever is responsible for the desk.

    Two things are watched. A console that may act was there, and the last one is lost: `on_ui_lost` says what then. And no command came
    for `deadman_s` seconds: the desk pauses, or cancels all where `on_ui_lost` says so. An open console alone is no sign: it may have been
    forgotten; every command is one, `ack` is nothing else. What was done is not undone by itself.
    """

    def __init__(
        self,
        on_ui_lost: Policy,
        deadman_s: float,
        submit: Callable[[Instruction], None],
        alert: Callable[[Alert], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """deadman_s: 0 where there is no dead-man."""
        self._on_ui_lost = on_ui_lost
        self._deadman_s = deadman_s
        self._submit = submit
        self._alert = alert
        self._monotonic = monotonic
        self._signed_at = monotonic()
        self._watched = False
        self._lost_at: float | None = None
        self._left_at: float | None = None
        self._expired = False
        self.unwatched = ""
        """Why the desk was stopped for want of an operator; empty while it was not, and after the next sign."""

    @property
    def left_s(self) -> float:
        """Until the dead-man acts, 0 once it has; -1 where there is none."""
        if not self._deadman_s:
            return -1.0
        return 0.0 if self._expired else max(0.0, self._signed_at + self._deadman_s - self._monotonic())

    def sign(self) -> None:
        """Somebody is there."""
        self._signed_at = self._monotonic()
        self._expired = False
        self.unwatched = ""

    def leave(self) -> None:
        """The operator closes the last console on purpose, and wants the desk to go on: that loss is none."""
        self.sign()
        self._left_at = self._monotonic()

    def look(self, consoles: int) -> None:
        """See whether something is to be done; `consoles`: how many are connected that may act."""
        now = self._monotonic()
        if consoles:
            back = self._lost_at is not None
            if self._left_at is not None and (back or now - self._left_at >= LEAVES_S):
                self._left_at = None
            self._watched, self._lost_at = True, None
        elif self._watched and self._lost_at is None:
            self._lost_at = now
        elif self._watched and self._lost_at is not None and now - self._lost_at >= LOST_S:
            self._lost()
        if self._deadman_s and not self._expired and now - self._signed_at >= self._deadman_s:
            why = f"no sign of the operator for {self._deadman_s:g} s"
            self._expired = self._stop("pause" if self._on_ui_lost == "keep" else self._on_ui_lost, why)

    async def watch(self, consoles: Callable[[], int]) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look(consoles())
            await asyncio.sleep(LOOK_S)

    def _lost(self) -> None:
        excused = self._left_at is not None or self._on_ui_lost == "keep"
        if excused or self._stop(self._on_ui_lost, "the last console was lost"):
            self._watched = False
            self._lost_at = self._left_at = None

    def _stop(self, how: Policy, why: str) -> bool:
        """Pull the quotes, or kill; False where the desk could not take it yet."""
        killing = how == "cancel_all"
        try:
            self._submit(Killed(NOT_YET, "operator watch", why) if killing else Paused(NOT_YET, "operator watch", why=why))
        except asyncio.QueueFull:
            return False
        self.unwatched = why
        self._alert(Alert("alarm", "operator", f"{'killed' if killing else 'paused'}: {why}"))
        return True
