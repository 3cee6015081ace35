"""An exchange's WebSockets in process and in virtual time: as much of websockets' client as the feeds use."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.faults import CUT, NEVER
from pmm_tui.exchange.terms import Ask, Frame
from pmm_tui.runtime.virtual import Judge, Network, clock, untouched

FRAMES_MAX = 65_536
"""Frames that may wait in one socket; a reader slower than that loses the connection."""


class Channels(Protocol):
    """What the sockets need of an exchange."""

    def open(self, channel: str) -> Any:
        """A new session on a channel."""
        ...

    def hear(self, channel: str, session: Any, raw: str, at: Nanos) -> object:
        """A message from a session."""
        ...

    def shut(self, channel: str, session: Any) -> None:
        """A session ended."""
        ...

    def frames(self, at: Nanos) -> list[tuple[Any, Frame]]:
        """What leaves by now."""
        ...

    def due(self) -> Nanos:
        """When something happens next."""
        ...

    def advance(self, to: Nanos) -> None:
        """Let it happen."""
        ...


class Sockets:
    """An exchange's WebSockets in process, and its pace: `pump` lets happen what is due, now and at each due time."""

    def __init__(self, exchange: Channels, network: Network, judge: Judge = untouched) -> None:
        self.exchange = exchange
        self.network = network
        self._judge = judge
        self._wires: dict[Any, Wire] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def connect(self, uri: str, *, max_size: int | None = 1 << 20, open_timeout: float | None = 10, **options: object) -> "Wire":
        """As websockets' `connect`: OSError, TimeoutError or InvalidStatus where there is no connection; other options are ignored."""
        path = urlsplit(uri).path
        async with asyncio.timeout(open_timeout):
            if self.network.cut == "silent":
                await asyncio.Event().wait()
            await asyncio.sleep(self.network.out_s())
            if self.network.cut:
                raise ConnectionRefusedError("Connect call failed")
            verdict = self._judge(Ask("GET", path), clock())
            if verdict.hang:
                await asyncio.Event().wait()
            if verdict.drop:
                raise ConnectionResetError("Connection reset by peer")
            await asyncio.sleep(self.network.back_s() + verdict.delay_ms / 1_000)
        if (refused := verdict.before) is not None:
            headers = Headers({"content-type": refused.kind, **refused.headers})
            raise InvalidStatus(Response(refused.status, HTTPStatus(refused.status).phrase, headers, refused.body))
        channel = path.rsplit("/", 1)[-1]
        session = self.exchange.open(channel)
        wire = self._wires[session] = Wire(self, channel, session, max_size)
        self.pump()
        return wire

    def pump(self) -> None:
        """Let everything due happen, send what leaves, and come back when more is due."""
        now = clock()
        self.exchange.advance(now)
        for session, frame in self.exchange.frames(now):
            if (wire := self._wires.get(session)) is not None:
                wire.deliver(frame.raw)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.exchange.due()
        if due < NEVER:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, (due - now) / SECOND), self.pump)

    def forget(self, wire: "Wire") -> None:
        """The exchange has seen the end of a connection."""
        if self._wires.pop(wire.session, None) is not None:
            self.exchange.shut(wire.channel, wire.session)
            self.pump()

    def snap(self) -> None:
        """Break every connection without a word."""
        for wire in list(self._wires.values()):
            wire.snap()


class Wire:
    """The desk's end of one socket: as much of websockets' client connection as the feeds use."""

    def __init__(self, sockets: Sockets, channel: str, session: Any, max_size: int | None) -> None:
        self.channel = channel
        self.session = session
        self._sockets = sockets
        self._max_size = max_size
        self._inbox: deque[tuple[Nanos, str]] = deque(maxlen=FRAMES_MAX)
        self._arrived = Nanos(0)
        self._sent = Nanos(0)
        self._end: tuple[Nanos, Close | None, Close | None] | None = None
        """When the desk learns of the end, with the close frames received and sent."""
        self._news = asyncio.Event()

    async def send(self, message: str) -> None:
        """Send a text; ConnectionClosed once the end is known."""
        self._raise_if_ended()
        loop = asyncio.get_running_loop()
        # What was sent first arrives first, whatever latency was drawn for it.
        self._sent = Nanos(max(self._sent + 1_000, clock() + round(self._sockets.network.out_s() * SECOND)))
        loop.call_later((self._sent - clock()) / SECOND, self._reach, message)

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """The next message: text, or its bytes where `decode` is False; ConnectionClosed after the last."""
        while True:
            now = clock()
            if self._inbox and self._inbox[0][0] <= now:
                raw = self._inbox.popleft()[1]
                return raw.encode() if decode is False else raw
            if not self._inbox:
                self._raise_if_ended()
            due = self._inbox[0][0] if self._inbox else self._end[0] if self._end is not None else None
            if due is None:
                self._news.clear()
                await self._news.wait()
            else:
                await asyncio.sleep((due - now) / SECOND)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages until a normal close."""
        try:
            while True:
                yield await self.recv()
        except ConnectionClosedOK:
            return

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close and wait for the other side to agree; closing twice is nothing."""
        if self._end is None:
            said = Close(code, reason)
            self._finish(clock(), said, said)
            await asyncio.sleep(self._sockets.network.out_s())
            self._sockets.forget(self)
            await asyncio.sleep(self._sockets.network.back_s())

    def deliver(self, raw: str) -> None:
        """The exchange sent a text: it arrives after those before it. CUT at its end: the connection breaks there."""
        if self._end is not None:
            return
        back = round(self._sockets.network.back_s() * SECOND)
        self._arrived = Nanos(max(self._arrived, clock() + back))
        if raw.endswith(CUT) or len(self._inbox) == FRAMES_MAX:
            self._finish(self._arrived, None, None)
            self._part()
        elif self._max_size is not None and len(raw.encode()) > self._max_size:
            self._finish(self._arrived, None, Close(1009, f"frame exceeds limit of {self._max_size} bytes"))
            self._part()
        else:
            self._inbox.append((self._arrived, raw))
            self._news.set()

    def snap(self) -> None:
        """The connection is gone, now and for both."""
        if self._end is None:
            self._finish(clock(), None, None)
            self._part()

    def _reach(self, message: str) -> None:
        """A message is at the exchange, unless the connection ended meanwhile."""
        if self._end is None:
            self._sockets.exchange.hear(self.channel, self.session, message, clock())
            self._sockets.pump()

    def _finish(self, at: Nanos, received: Close | None, sent: Close | None) -> None:
        self._end = (at, received, sent)
        self._news.set()

    def _part(self) -> None:
        """Let the exchange know, but not in the midst of its own sending."""
        asyncio.get_running_loop().call_soon(self._sockets.forget, self)

    def _raise_if_ended(self) -> None:
        if self._end is None or clock() < self._end[0]:
            return
        _, received, sent = self._end
        how: type[ConnectionClosed] = (
            ConnectionClosedOK if received is not None and received.code in (1000, 1001) else ConnectionClosedError
        )
        raise how(received, sent, False if received is not None and sent is not None else None)
