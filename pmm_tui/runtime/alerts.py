"""Word to a person: which channels there are, and what goes out when, so that one bad minute is one message and not a hundred."""

import asyncio
import hashlib
import logging
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

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
AGAIN_NS = 300 * SECOND
"""A channel that did not take a message is tried again after GAP_NS, then after twice as long each time, at last this often."""
REPEAT_NS = 1_800 * SECOND
"""What is still so is said again after this long."""
LATE_NS = 60 * SECOND
"""What is said so long after it happened is said with its time."""
KEYS_MAX = 1_000
HELD_MAX = 50
"""So many different things wait for the next message; the rest are counted."""
TOGETHER = 10
"""So many lines a message has."""
SEND_S = 15.0
"""A channel that has not answered by then has failed."""
HANGING_MAX = 3
"""A channel that holds so many messages, and neither takes nor refuses them, is given no other until it lets one go."""
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


class Line(Struct, frozen=True):
    """One thing that is to be said."""

    key: str
    level: str
    text: str
    at: Nanos


class Pacer(Struct):
    """Decides what is news. Time is an argument.

    The same key is none again within REPEAT_NS, unless it became worse or had recovered.
    """

    said: dict[str, tuple[Nanos, int]] = {}
    """When each key was said last, and how bad it was then."""
    news: list[Line] = []

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
        self.news.append(Line(key, level, text, at))

    def recover(self, key: str, text: str, at: Nanos, level: str = "recovered") -> None:
        """What was said to be bad is so no more; nothing where it was never said."""
        if self.said.pop(key, None) is not None:
            self.news.append(Line(key, level, text, at))

    def take(self) -> list[Line]:
        """What has come since this was asked last."""
        news, self.news = self.news, []
        return news


class Box(Struct):
    """What one channel is still to be told. It stays here until the channel has taken it."""

    held: list[Line] = []
    unsaid: int = 0
    """So many more than are held."""
    tried_at: Nanos = Nanos(0)
    misses: int = 0
    """So often in a row the channel took nothing."""

    def put(self, line: Line) -> None:
        """One more thing to say. That it is well again is not said of what has turned bad once more."""
        if _RANK[line.level]:
            self.held = [one for one in self.held if one.key != line.key or _RANK[one.level]]
        self.held.append(line)
        if len(self.held) > HELD_MAX:
            self.held.remove(min(self.held, key=lambda one: _RANK[one.level]))
            self.unsaid += 1

    def due(self, at: Nanos) -> Message | None:
        """The message that is to go out now, if there is one: the first at once, a burst after it as one, worst first, each thing's own
        lines in their order."""
        if not self.held or 0 <= at - self.tried_at < min(GAP_NS << max(0, self.misses - 1), AGAIN_NS):
            return None
        self.tried_at = at
        worst = {one.key: 0 for one in self.held}
        for one in self.held:
            worst[one.key] = max(worst[one.key], _RANK[one.level])
        said = sorted(self.held, key=lambda one: -worst[one.key])[:TOGETHER]
        level = max((one.level for one in said), key=lambda level: _RANK[level])
        return Message(level, tuple(_written(one, at) for one in said), self.unsaid + len(self.held) - len(said))

    def answer(self, told: Sequence[Line], unsaid: int, took: bool) -> None:
        """Whether the channel took the message that was made of these."""
        if took:
            self.misses, self.unsaid = 0, self.unsaid - unsaid
            self.held = [one for one in self.held if one not in told]
        else:
            self.misses = min(self.misses + 1, 8)

    def hurry(self) -> None:
        """Nothing is waited for any more: there is no later."""
        self.tried_at = Nanos(0)


def _written(line: Line, at: Nanos) -> str:
    when = f" (at {datetime.fromtimestamp(line.at // SECOND, UTC):%H:%M:%S} UTC)" if at - line.at > LATE_NS else ""
    return f"{_MARKS[line.level]} {line.text}{when}"


class Channel:
    """One way to a person."""

    def __init__(self, url: str, plugin: NotifyBase) -> None:
        self.key = hashlib.sha256(url.encode()).hexdigest()[:16]
        """Knows it again in another process, and is not its URL."""
        self.name = type(plugin).__name__.removeprefix("Notify")
        self._plugin = plugin
        self._under_way: list[Future[bool]] = []

    def begin(self, title: str, message: Message) -> Future[bool] | None:
        """Send it in a thread of its own, which nobody waits for, least of all a process that ends: a channel may answer for hours, a byte
        a second. None where too many messages hang in it."""
        self._under_way = [one for one in self._under_way if not one.done()]
        if len(self._under_way) >= HANGING_MAX:
            return None
        answer = Future[bool]()
        answer.set_running_or_notify_cancel()
        self._under_way.append(answer)
        Thread(target=self._send, args=(answer, title, message), name=f"alerts to {self.name}", daemon=True).start()
        return answer

    def _send(self, answer: Future[bool], title: str, message: Message) -> None:
        took = False
        try:
            took = bool(self._plugin.notify(body=message.body, title=title, notify_type=_KINDS[message.level]))
        except (TypeError, ValueError, OSError, LookupError, AttributeError, RuntimeError):
            pass  # somebody else's code: whatever it stumbles over, it has not taken the message
        finally:
            answer.set_result(took)


class Channels:
    """Where messages go. No URL is ever shown: whoever knows one can write there."""

    def __init__(self, urls: Sequence[str]) -> None:
        """CannotStart, which names the line and never the URL, where one is none that apprise knows."""
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its warnings quote URLs
        self._channels: list[Channel] = []
        for number, url in enumerate(urls, 1):
            made = Apprise.instantiate(url, suppress_exceptions=True)
            if not isinstance(made, NotifyBase):
                raise CannotStart(f"alert channel {number}: found a URL that names no channel; allowed: apprise URLs, such as discord://…")
            self._channels.append(Channel(url, made))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._channels)

    def __iter__(self) -> Iterator[Channel]:
        """Each of them."""
        return iter(self._channels)

    async def send(self, title: str, message: Message) -> list[str]:
        """To every channel, side by side, once; the names of those that failed."""
        said = await asyncio.gather(*(self._one(channel, title, message) for channel in self._channels))
        return [name for name in said if name]

    async def _one(self, channel: Channel, title: str, message: Message) -> str:
        answer = channel.begin(title, message)
        try:
            async with asyncio.timeout(SEND_S):
                took = answer is not None and await asyncio.wrap_future(answer)
        except TimeoutError:
            took = False
        return "" if took else channel.name


class _Letter(Struct):
    """A message that is on its way."""

    answer: Future[bool]
    until_s: float
    lines: tuple[Line, ...]
    unsaid: int


class Post:
    """Brings every channel what it is still to be told: one message at a time, and again where it was not taken. Never waits."""

    def __init__(self, channels: Channels, title: str, boxes: dict[str, Box] | None = None) -> None:
        """`boxes`: what an earlier process could not bring, by channel."""
        self._channels = channels
        self._title = title
        kept = boxes or {}
        self.boxes = {channel.key: kept.get(channel.key) or Box() for channel in channels}
        self._letters: dict[str, _Letter] = {}

    def put(self, lines: Sequence[Line]) -> None:
        """These are to be said, to everybody."""
        for box in self.boxes.values():
            for line in lines:
                box.put(line)

    def turn(self, at: Nanos) -> list[str]:
        """See what has arrived, and send what is due; the names of the channels that did not take a message."""
        failed = []
        for channel in self._channels:
            box, letter = self.boxes[channel.key], self._letters.get(channel.key)
            if letter is not None:
                late = time.monotonic() > letter.until_s
                if not letter.answer.done() and not late:
                    continue
                del self._letters[channel.key]
                took = letter.answer.done() and letter.answer.result()
                box.answer(letter.lines, letter.unsaid, took)
                failed += [] if took else [channel.name]
            message = box.due(at)
            if message is not None:
                answer = channel.begin(f"{self._title}: {message.level}", message)
                if answer is None:
                    box.answer((), 0, took=False)
                    failed.append(channel.name)
                else:
                    self._letters[channel.key] = _Letter(answer, time.monotonic() + SEND_S, tuple(box.held), box.unsaid)
        return failed

    @property
    def under_way(self) -> bool:
        """Whether a message is on its way."""
        return bool(self._letters)

    @property
    def owing(self) -> bool:
        """Whether there is anything that a channel has not taken."""
        return any(box.held for box in self.boxes.values())

    def hurry(self) -> None:
        """There is no later."""
        for box in self.boxes.values():
            box.hurry()


def find_channels(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Channels:
    """The channels of this user: POLYMARKET_ALERT_URLS, blank between URLs, else a URL a line in alerts.txt beside the profiles (0600).

    CannotStart where the file may be read by others or is no text, or a URL is none.
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
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as wrong:
        raise CannotStart(f"{path}: found bytes that are no UTF-8; allowed: a URL a line") from wrong
    return Channels([line for line in lines if line and not line.startswith("#")])
