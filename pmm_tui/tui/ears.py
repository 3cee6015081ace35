"""Which keys are not obeyed: those typed while nobody could see what they would meet."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp

STALL_S = 2.0
"""A console that stood still for longer showed a picture of another moment."""
AFTER_S = 0.5
"""What was typed meanwhile is read within this."""
KILLS = ("kill", "kill.typing")


class Ears:
    """Of one console. Deaf until it shows something, and to what was typed while it stood still; K is then heard all the same."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due = float("inf")
        """When the next look is to begin."""
        self._deaf_until = float("-inf")
        self._opened = float("inf")
        """On the clock that the library stamps its events with."""
        self._stood_s = 0.0
        self.dropped = 0
        """Keys not obeyed since it last stood still."""

    def open(self) -> None:
        """There is something to see: what is typed from now on counts."""
        self._opened = time.monotonic()

    def expect(self, period: float) -> None:
        """The next look begins so soon."""
        self._due = self._clock() + period

    def look(self, app: "PmmApp", period: float) -> None:
        """A look begins; whether it is late is said."""
        if self._late() > STALL_S:
            self._stand(app)
        self.expect(period)

    def are_deaf(self, app: "PmmApp", key: events.Key) -> bool:
        """Whether this key is not obeyed, which is said."""
        if key.time < self._opened:
            return True
        if self._late() > STALL_S:
            self._stand(app)
            self.expect(0.0)
        if any(key.key in one.keys for one in app.keys if one.id in KILLS):
            return False
        waited_s = time.monotonic() - key.time
        if self._clock() >= self._deaf_until and waited_s <= STALL_S:
            return False
        self.dropped += 1
        stood_s = max(self._stood_s, waited_s)
        count = "1 key" if self.dropped == 1 else f"{self.dropped} keys"
        app.say(f"{count} typed while the console stood still for {stood_s:.1f} s not obeyed, only K is", "warn")
        return True

    def _late(self) -> float:
        return self._clock() - self._due

    def _stand(self, app: "PmmApp") -> None:
        """It stood still until now."""
        self._stood_s, self.dropped = self._late(), 0
        self._deaf_until = self._clock() + AFTER_S
        app.say(f"the terminal stalled for {self._stood_s:.1f} s; the desk was not touched by it", "warn")
