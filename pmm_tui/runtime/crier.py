"""What a desk says to a person by itself: its alerts, links that stay down, its own faults, and how it ended."""

import asyncio
import logging
import time

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime.alerts import Channels, Message, Pacer
from pmm_tui.runtime.desk import Desk

EVERY_S = 1.0
DOWN_NS = 10 * SECOND
"""A link that is down for longer is said; shorter is a reconnect."""
OPEN, SHUT = "open", ("disabled", "key refused")
"""The venue's modes that are no trouble, and those in which not even a cancel may get through."""
LAST_S = 5.0
"""The last word may keep a desk that ends for so long."""
_log = logging.getLogger(__name__)


class Crier:
    """Tells the channels what the desk's alerts say; a channel that fails is written down, and never holds up the desk."""

    def __init__(self, desk: Desk, channels: Channels, title: str) -> None:
        self._desk = desk
        self._channels = channels
        self._title = title
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
            message = self.pacer.due(now)
            if message is not None:
                await self._send(message)

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
                self.pacer.recover(f"link:{name}", f"{name} is up again")

    def _venue(self, now: Nanos) -> None:
        """What the venue takes: its restarts are told at once, a rate limit only where it lasts."""
        mode, at = self._desk.engine.state.venue.mode, self._desk.engine.state.venue.at
        if self._told not in ("", mode):
            left, self._told = self._told, ""
            self.pacer.recover(f"venue:{left}", f"the venue is no longer {left}, it is {mode}")
        if mode != OPEN and (mode != "limited" or self._desk.engine.state.now - at > DOWN_NS):
            self._told = mode
            self.pacer.add(f"venue:{mode}", "alarm" if mode in SHUT else "warn", f"the venue is {mode}", now)

    async def last(self, code: int) -> None:
        """The run has ended: said where it was not in order."""
        now = Nanos(time.time_ns())
        self.look(now)
        if code:
            self.pacer.add("ended", "alarm", f"the run ended with code {code}: killed, broken, or orders not proven gone", now)
        self.pacer.sent_at = Nanos(0)  # there is no later
        message = self.pacer.due(now)
        if message is not None:
            try:
                async with asyncio.timeout(LAST_S):
                    await self._send(message)
            except TimeoutError:
                _log.warning("no alert channel took the last message within %g s", LAST_S)

    async def _send(self, message: Message) -> None:
        for name in await self._channels.send(f"pmm-tui {self._title}", message):
            _log.warning("the alert channel %s did not take a message", name)
