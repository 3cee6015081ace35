"""Which keys are not obeyed: typed while nobody could see what they meet, held down since another dialog, or too many to be read."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from textual import events
from textual.screen import Screen

from pmm_tui.tui.dialogs.arming import HELD_S, pressed
from pmm_tui.tui.dialogs.question import Dialog
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.keys import KILLS, Keys

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp

STALL_S = 2.0
"""A console that stood still for longer showed a picture of another moment."""
AFTER_S = 0.5
"""What was typed meanwhile is read within this."""
UNREAD_MOST = 64
"""So many keys wait to be read; beyond them only kill keys, and of these no more than as many again."""


class Press(NamedTuple):
    """A key that may still be held down."""

    at: float
    """When it was seen last."""
    began: "ref[Screen[Any]]"
    """The screen, or dialog, on which it was pressed."""


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
        self.pressed_at = float("-inf")
        """When the key was pressed that is obeyed now."""
        self._presses: dict[str, Press] = {}
        self._came = self._read = 0
        """Keys that were let through to be read, and those that were; each counted by one thread alone."""
        self._flood = self._flood_told = 0
        """Keys that were not let through, and how many of them were told."""

    def have_room(self, key: events.Key, keys: Keys) -> bool:
        """Whether a key may wait to be read. Called by the thread that reads the terminal."""
        if self._came - self._read >= UNREAD_MOST * (1 + _kills(key, keys)):
            self._flood += 1
            return False
        self._came += 1
        return True

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
        if (flood := self._flood) > self._flood_told:
            told, self._flood_told = flood - self._flood_told, flood
            app.note(f"{told} keys came faster than keys are read: not obeyed, only {key_of('kill')} is", "warn")
        self.expect(period)

    def are_deaf(self, app: "PmmApp", key: events.Key) -> bool:
        """Whether this key is not obeyed, which is said unless it is a repeat of one that was."""
        self._read += 1
        if key.time < self._opened:
            return True
        if self._late() > STALL_S:
            self._stand(app)
            self.expect(0.0)
        repeats = self._repeats(app.screen, key)
        if _kills(key, app.keys):
            return False
        waited_s = time.monotonic() - key.time
        if self._clock() >= self._deaf_until and waited_s <= STALL_S:
            return repeats
        self.dropped += 1
        stood_s = max(self._stood_s, waited_s)
        count = "1 key" if self.dropped == 1 else f"{self.dropped} keys"
        app.note(f"{count} typed while the console stood still for {stood_s:.1f} s not obeyed, only {key_of('kill')} is", "warn")
        return True

    def _repeats(self, screen: Screen[Any], key: events.Key) -> bool:
        """Whether it is held down since before this question opened, or a dialog closed: it was meant for that. Esc only says no."""
        at = self.pressed_at = pressed(self._clock(), key)
        self._presses = {name: one for name, one in self._presses.items() if at - one.at < HELD_S}
        known = self._presses.get(key.key)
        began = known.began if known is not None else ref(screen)
        self._presses[key.key] = Press(at, began)
        harmless = key.key == "escape" or (isinstance(screen, Dialog) and not screen.asks)
        return began() is not screen and not harmless

    def _late(self) -> float:
        return self._clock() - self._due

    def _stand(self, app: "PmmApp") -> None:
        """It stood still until now."""
        self._stood_s, self.dropped = self._late(), 0
        self._deaf_until = self._clock() + AFTER_S
        app.say(f"the terminal stalled for {self._stood_s:.1f} s; the desk was not touched by it", "warn")


def _kills(key: events.Key, keys: Keys) -> bool:
    return any(key.key in one.keys for one in keys if one.id in KILLS)
