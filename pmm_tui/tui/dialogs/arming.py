"""What keeps a held, hurried or pasted key from confirming anything."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual import events

ARM_S = 0.5
"""A dialog hears nothing for so long after it opens."""
HELD_S = 0.8
"""The same key again within this may be one that is held: terminals repeat it first after up to 0.66 s, and lines delay it."""
REPEAT_S = 0.08
"""Two letters closer than this are a held key."""


def pressed(now: float, key: "events.Key") -> float:
    """When a key was pressed that is read now: what waited for its turn is older than it looks."""
    return now - (time.monotonic() - key.time)


class Arming:
    """Keeps a held or hurried key from confirming anything: deaf at first, and deaf to a key that was not let go for a while."""

    def __init__(self, now: float, arm_s: float = ARM_S) -> None:
        self._opened = now
        self._arm_s = arm_s
        self._last: dict[str, float] = {}

    def accepts(self, key: str, now: float) -> bool:
        """Whether a key pressed now counts. Every press is noted, so a held key never counts, however early it began."""
        apart = now - self._last.get(key, float("-inf"))
        self._last[key] = now
        return now - self._opened >= self._arm_s and apart >= HELD_S


class Typed:
    """A phrase being typed: what is pasted or held down is refused. With `wants_reason`, a reason follows the phrase."""

    BURST_S = 0.01
    BURST_KEYS = 3
    LONGEST = 120
    REASON_LETTERS = 4
    DEAF = "not heard: paste, hurried keys, the first {:g} s after opening"

    def __init__(self, phrase: str, now: float, wants_reason: bool = False, arm_s: float = ARM_S) -> None:
        self.phrase = phrase
        self.wants_reason = wants_reason
        self.arm_s = arm_s
        self.text = ""
        self.note = ""
        self._opened = self._last = now
        self._last_char = ""
        self._hurried = 0

    @property
    def reason(self) -> str:
        """What follows the phrase."""
        return self.text[len(self.phrase) :].strip() if self.text.startswith(self.phrase) else ""

    @property
    def matches(self) -> bool:
        """Whether Enter would confirm."""
        if not self.wants_reason:
            return self.text.strip() == self.phrase
        return self.text.startswith(self.phrase + " ") and len(self.reason) >= self.REASON_LETTERS

    def type(self, char: str, now: float) -> None:
        """One printable character."""
        apart, self._last = now - self._last, now
        if now - self._opened < self.arm_s:
            return
        self._hurried = self._hurried + 1 if apart < self.BURST_S else 0
        if self._hurried >= self.BURST_KEYS:
            self.refuse_paste()
            return
        if char == self._last_char and apart < REPEAT_S:
            return
        self._last_char = char
        self.note = ""
        if len(self.text) < self.LONGEST:
            self.text += char

    def erase(self, everything: bool = False) -> None:
        """Backspace, or the whole line."""
        self.text = "" if everything else self.text[:-1]
        self._last_char = ""

    def refuse_paste(self) -> None:
        """What came too fast for fingers is thrown away."""
        self.text = ""
        self.note = "paste refused: type it"
