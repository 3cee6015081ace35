"""What a desk says to a person by itself: its alerts, links that stay down, its own faults, and how it ended."""

import asyncio
import logging
import time

from pmm_tui.api.protocol import mode_word
from pmm_tui.core.apply import VENUE_SHUT, VENUE_WORDS
from pmm_tui.core.snapshot import DeskCard
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime.alerts import Channels, Pacer, Post
from pmm_tui.runtime.desk import Desk

EVERY_S = 1.0
DOWN_NS = 10 * SECOND
"""A link that is down for longer is said; shorter is a reconnect."""
OPEN = "open"
"""The venue's mode that is no trouble."""
LAST_S = 5.0
"""The last word may keep a desk that ends for so long, however often a channel must be tried."""
LOOK_S = 0.05
_log = logging.getLogger(__name__)


class Crier:
    """Tells the channels what the desk's alerts say; a channel that fails is written down, and never holds up the desk."""

    def __init__(self, desk: Desk, channels: Channels, card: DeskCard) -> None:
        self._desk = desk
        self._post = Post(channels, f"pmm-tui {mode_word(card)} {card.run}")
        self.pacer = Pacer()
        self._down: set[str] = set()
        self._told = ""
        """The venue's mode that was said last; empty where it is open."""

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            now = Nanos(time.time_ns())
            self.look(now)
            self._tell(now)

    def look(self, now: Nanos) -> None:
        """What has happened since the last look."""
        while self._desk.alerts:
            alert = self._desk.alerts.popleft()
            self.pacer.add(alert.key, alert.level, alert.text, now)
        if self._desk.busy:
            self.pacer.add("desk", "alarm", self._desk.busy, now)
        state = self._desk.engine.state
        self._venue(now)
        for name, link in state.links.items():
            if name == "venue":
                continue  # told by its mode
            if not link.up and state.now - link.since > DOWN_NS:
                self._down.add(name)
                self.pacer.add(f"link:{name}", "warn", f"{name} is down: {link.why}", now)
            elif link.up and name in self._down:
                self._down.discard(name)
                self.pacer.recover(f"link:{name}", f"{name} is up again", now)

    def _venue(self, now: Nanos) -> None:
        """What the venue takes: its restarts are told at once, a rate limit only where it lasts."""
        mode, at = self._desk.engine.state.venue.mode, self._desk.engine.state.venue.at
        if self._told not in ("", mode):
            left, self._told = self._told, ""
            self.pacer.recover(f"venue:{left}", f"the venue is no longer {_said(left)}, it is {_said(mode)}", now)
        if mode != OPEN and (mode != "limited" or self._desk.engine.state.now - at > DOWN_NS):
            self._told = mode
            self.pacer.add(f"venue:{mode}", "alarm" if mode in VENUE_SHUT else "warn", f"the venue is {_said(mode)}", now)

    async def last(self, code: int) -> None:
        """The run has ended: said where it was not in order."""
        now = Nanos(time.time_ns())
        self.look(now)
        if code:
            self.pacer.add("ended", "alarm", f"the run ended with code {code}: killed, broken, or orders not proven gone", now)
        until, again = time.monotonic() + LAST_S, 0.0
        self._tell(now)
        while self._post.owing and time.monotonic() < until:
            if time.monotonic() >= again:
                self._post.hurry()  # there is no later
                again = time.monotonic() + EVERY_S
            self._tell(Nanos(time.time_ns()))
            await asyncio.sleep(LOOK_S)
        if self._post.owing:
            _log.warning("not every alert channel took the last message within %g s", LAST_S)

    def _tell(self, now: Nanos) -> None:
        """Hand on what there is to say; it is brought, and brought again, while the desk goes on."""
        self._post.put(self.pacer.take())
        for name in self._post.turn(now):
            _log.warning("the alert channel %s did not take a message: it is tried again", name)


def _said(mode: str) -> str:
    return VENUE_WORDS.get(mode, mode)
