"""Word to a person: which channels there are, and what goes out when, so that one bad minute is one message and not a hundred."""

import asyncio
import logging
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from apprise import Apprise, NotifyType
from apprise.plugins import NotifyBase
from msgspec import Struct

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.profile import config_folder

URLS = "POLYMARKET_ALERT_URLS"
FILE = "alerts.txt"
GAP_NS = 20 * SECOND
"""At least so long between two messages; what comes meanwhile goes out together."""
REPEAT_NS = 1_800 * SECOND
"""What is still so is said again after this long."""
KEYS_MAX = 1_000
HELD_MAX = 50
"""So many different things wait for the next message; the rest are counted."""
TOGETHER = 10
"""So many lines a message has."""
SEND_S = 15.0
"""A channel that has not answered by then has failed."""
_RANK = {"info": 0, "recovered": 0, "warn": 1, "alarm": 2}
_MARKS = {"info": "·", "recovered": "✔", "warn": "!", "alarm": "!!"}
_KINDS = {"info": NotifyType.INFO, "recovered": NotifyType.SUCCESS, "warn": NotifyType.WARNING, "alarm": NotifyType.FAILURE}


class Message(Struct, frozen=True):
    """What one message says. `level` is that of its worst line."""

    level: str
    lines: tuple[str, ...]
    unsaid: int
    """So many more things happened than the lines say."""

    @property
    def body(self) -> str:
        """The lines, and how many are missing."""
        more = (f"… and {self.unsaid} more",) if self.unsaid else ()
        return "\n".join(self.lines + more)


class Pacer(Struct):
    """Decides what is said when. Time is an argument: the first line goes out at once, a burst after it as one message.

    The same key is not said again within REPEAT_NS, unless it became worse or had recovered.
    """

    said: dict[str, tuple[Nanos, int]] = {}
    """When each key was said last, and how bad it was then."""
    held: list[tuple[str, str]] = []
    unsaid: int = 0
    sent_at: Nanos = Nanos(0)

    def add(self, key: str, level: str, text: str, at: Nanos) -> None:
        """Something happened."""
        rank = _RANK[level]
        said_at, said = self.said.get(key, (Nanos(0), -1))
        if said >= rank and at - said_at < REPEAT_NS:
            return
        self.said.pop(key, None)
        self.said[key] = (at, rank)
        if len(self.said) > KEYS_MAX:
            del self.said[next(iter(self.said))]
        self._hold(level, text)

    def recover(self, key: str, text: str) -> None:
        """What was said to be bad is good again; nothing where it was never said."""
        if self.said.pop(key, None) is not None:
            self._hold("recovered", text)

    def due(self, at: Nanos) -> Message | None:
        """The message that is to go out now, if there is one."""
        if not self.held or 0 <= at - self.sent_at < GAP_NS:
            return None
        held = sorted(self.held, key=lambda line: -_RANK[line[0]])  # where not all fit, the worst are said
        unsaid = self.unsaid + max(0, len(held) - TOGETHER)
        self.held, self.unsaid, self.sent_at = [], 0, at
        return Message(held[0][0], tuple(f"{_MARKS[level]} {text}" for level, text in held[:TOGETHER]), unsaid)

    def _hold(self, level: str, text: str) -> None:
        if len(self.held) < HELD_MAX:
            self.held.append((level, text))
        else:
            self.unsaid += 1


class Channels:
    """Where messages go. No URL is ever shown: whoever knows one can write there."""

    def __init__(self, urls: Sequence[str]) -> None:
        """CannotStart, which names the line and never the URL, where one is none that apprise knows."""
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its warnings quote URLs
        self._channels: list[NotifyBase] = []
        for number, url in enumerate(urls, 1):
            made = Apprise.instantiate(url, suppress_exceptions=True)
            if not isinstance(made, NotifyBase):
                raise CannotStart(f"alert channel {number}: found a URL that names no channel; allowed: apprise URLs, such as discord://…")
            self._channels.append(made)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._channels)

    async def send(self, title: str, message: Message) -> list[str]:
        """To every channel, side by side; the names of those that failed."""
        said = await asyncio.gather(*(self._one(channel, title, message) for channel in self._channels))
        return [name for name in said if name]

    async def _one(self, channel: NotifyBase, title: str, message: Message) -> str:
        name = type(channel).__name__.removeprefix("Notify")
        try:
            async with asyncio.timeout(SEND_S):
                took = await channel.async_notify(body=message.body, title=title, notify_type=_KINDS[message.level])
        except (TimeoutError, TypeError, ValueError, OSError):
            return name
        return "" if took else name


def find_channels(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Channels:
    """The channels of this user: POLYMARKET_ALERT_URLS, blank between URLs, else a URL a line in alerts.txt beside the profiles (0600).

    CannotStart where the file may be read by others, or a URL is none.
    """
    if environ.get(URLS):
        return Channels(environ[URLS].split())
    path = (folder or config_folder()) / FILE
    try:
        found = path.stat()
    except FileNotFoundError:
        return Channels(())
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CannotStart(f"{path}: found mode {stat.S_IMODE(found.st_mode):04o}; allowed: 0600, since its URLs are secrets")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return Channels([line for line in lines if line and not line.startswith("#")])
