"""One socket of the market channel: it connects, subscribes, pings, reads, and says why it ended."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from pmm_tui.core.events import Event
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.feeds.fetch import Patience, retry_after_s
from pmm_tui.feeds.sockets import Connect, Socket, dial

_RESTART = {"restart": True}
_MINUTE_NS = 60 * SECOND
_REFUSALS = {401: "not authorised", 403: "forbidden: this address may be blocked", 429: "too many requests"}


class MarketWsKnobs(Struct, frozen=True):
    """The market channel's pace and limits."""

    shard_tokens_max: Annotated[
        int, Meta(ge=2, le=500, description="tokens on one socket; the venue sends no snapshots above 500", extra=_RESTART)
    ] = 200
    ws_ping_s: Annotated[float, Meta(gt=0, le=60, description="send PING this often, seconds", extra=_RESTART)] = 10.0
    ws_deaf_s: Annotated[
        float, Meta(gt=0, le=600, description="no frame and no PONG for this long: a new socket, seconds", extra=_RESTART)
    ] = 25.0
    ws_stable_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="a socket that lived this long lets the next failure wait little again, seconds", extra=_RESTART),
    ] = 10.0
    ws_open_timeout_s: Annotated[float, Meta(gt=0, le=120, description="give up on a handshake after this, seconds", extra=_RESTART)] = 10.0
    ws_first_data_s: Annotated[
        float,
        Meta(
            gt=0, le=600, description="a socket that said nothing readable this long after it opened is given up, seconds", extra=_RESTART
        ),
    ] = 10.0
    ws_backoff_first_s: Annotated[float, Meta(gt=0, le=60, description="wait after the first lost socket, seconds", extra=_RESTART)] = 0.25
    ws_backoff_max_s: Annotated[float, Meta(gt=0, le=3600, description="longest wait between sockets, seconds", extra=_RESTART)] = 30.0
    ws_frame_bytes_max: Annotated[
        int, Meta(ge=65_536, le=67_108_864, description="a larger frame ends the socket, bytes", extra=_RESTART)
    ] = 4_194_304
    malformed_per_min_max: Annotated[
        int, Meta(ge=1, le=10_000, description="this many unreadable frames within a minute end the socket", extra=_RESTART)
    ] = 10
    silence_probe_s: Annotated[
        float, Meta(gt=0, le=3600, description="compare a market with REST /book after this long without data, seconds", extra=_RESTART)
    ] = 5.0
    silence_confirm_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="a differing REST book must stay unexplained for this long, milliseconds", extra=_RESTART)
    ] = 500
    rest_timeout_s: Annotated[float, Meta(gt=0, le=120, description="give up on one REST request after this, seconds", extra=_RESTART)] = (
        5.0
    )
    resync_tries: Annotated[
        int, Meta(ge=1, le=20, description="REST snapshots to try in one resync before a new socket brings one", extra=_RESTART)
    ] = 3
    feed_queue_max: Annotated[
        int, Meta(ge=8, le=1_000_000, description="facts that may wait for the desk; above this books are conflated", extra=_RESTART)
    ] = 20_000


class Shard:
    """A socket and the tokens wanted on it. What is wanted may change at any time; the socket follows.

    `decode(raw, at)` reads each data frame as it came: its facts, and whether all of it could be read. `tell(facts)` takes them.
    `moved(shard)` is awaited when `up` or `reason` changed, before the facts of the frame that changed it.
    """

    def __init__(
        self,
        url: str,
        knobs: MarketWsKnobs,
        clock: Callable[[], Nanos],
        patience: Patience,
        door: asyncio.Lock,
        decode: Callable[[bytes, Nanos], tuple[list[Event], bool]],
        tell: Callable[[list[Event]], None],
        moved: Callable[["Shard"], Awaitable[None]],
        connect: Connect,
    ) -> None:
        self.up = False
        self.up_at = Nanos(0)
        self.reason = ""
        """Why it is down; empty while it is up or has not been tried."""
        self.connections = 0
        self.tokens: dict[str, None] = {}
        """Wanted, in the order they were asked for."""
        self._url = url
        self._knobs = knobs
        self._clock = clock
        self._patience = patience
        self._door = door
        self._decode = decode
        self._tell_all = tell
        self._moved = moved
        self._connect = connect
        self._changed = asyncio.Event()
        self._rotation = asyncio.Event()
        self._rotation_reason = ""
        self._last_frame_at = Nanos(0)
        self._malformed: deque[Nanos] = deque(maxlen=knobs.malformed_per_min_max)

    def want(self, *tokens: str) -> None:
        """Add tokens; a token already wanted is not subscribed twice (the venue would send everything doubled)."""
        self.tokens.update(dict.fromkeys(tokens))
        self._changed.set()

    def drop(self, *tokens: str) -> None:
        """Remove tokens."""
        for token in tokens:
            self.tokens.pop(token, None)
        self._changed.set()

    def rotate(self, reason: str) -> None:
        """Give this socket up for a new one: a new socket starts with a fresh dump of every book."""
        self._rotation_reason = reason
        self._rotation.set()

    async def run(self) -> None:
        """Keep a socket while any token is wanted; ends only by cancellation."""
        while True:
            while not self.tokens:
                self._changed.clear()
                await self._changed.wait()
            reason, wait_s = await self._session()
            await self._down(reason)
            if self.tokens:
                await asyncio.sleep(self._patience.next(wait_s))

    async def _session(self) -> tuple[str, float]:
        """One connection from handshake to end: why it ended, and what the server asked us to wait."""
        knobs = self._knobs
        try:
            # One handshake at a time: the venue answers 429 to many sockets opened at once.
            async with self._door:
                socket = await dial(self._connect, self._url, knobs.ws_frame_bytes_max, knobs.ws_open_timeout_s)
        except InvalidStatus as refused:
            code = refused.response.status_code
            said = refused.response.headers.get("Retry-After")
            why = f"refused with HTTP {code}" + (f" ({_REFUSALS[code]})" if code in _REFUSALS else "")
            return why, retry_after_s(said, self._clock() / SECOND)
        except (OSError, TimeoutError, WebSocketException) as lost:
            return f"cannot connect: {type(lost).__name__}: {str(lost)[:120]}".rstrip(": "), 0.0
        self.connections += 1
        opened = self._last_frame_at = self._clock()
        try:
            reason = await self._converse(socket)
            await self._down(reason)
        finally:
            await socket.close()
        if self._clock() - opened >= knobs.ws_stable_s * SECOND:
            self._patience.reset()
        return reason, 0.0

    async def _converse(self, socket: Socket) -> str:
        """Read, ping and subscribe side by side until one of them ends; why it did."""
        self._rotation.clear()
        self._malformed.clear()
        chores = [asyncio.create_task(chore) for chore in (self._read(socket), self._ping(socket), self._tell(socket), self._rotated())]
        try:
            await asyncio.wait(chores, return_when=asyncio.FIRST_COMPLETED)
            ended = next(chore for chore in chores if chore.done())
            try:
                return ended.result()
            except ConnectionClosed as lost:
                return f"connection lost: {_close_text(lost)}"
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)

    async def _read(self, socket: Socket) -> str:
        while True:
            said = await socket.recv(decode=False)
            raw = said if isinstance(said, bytes) else said.encode()
            at = self._last_frame_at = self._clock()
            if raw == b"PONG":
                continue
            facts, readable = self._decode(raw, at)
            if not self.up and (facts or readable):
                # A socket counts as up once it has said something, not when it opened: it may be frozen from the start.
                self.up, self.reason, self.up_at = True, "", at
                await self._moved(self)
            self._tell_all(facts)
            if readable:
                continue
            self._malformed.append(at)
            if len(self._malformed) == self._malformed.maxlen and at - self._malformed[0] <= _MINUTE_NS:
                return f"{len(self._malformed)} unreadable frames within a minute"

    async def _ping(self, socket: Socket) -> str:
        while True:
            await asyncio.sleep(self._knobs.ws_ping_s)
            deaf_ns = self._clock() - self._last_frame_at
            if deaf_ns > self._knobs.ws_deaf_s * SECOND:
                return f"no frame and no PONG for {deaf_ns / SECOND:.0f} s"
            await socket.send("PING")

    async def _tell(self, socket: Socket) -> str:
        """Bring the subscriptions of the socket to what is wanted, again and again."""
        told: dict[str, None] = {}
        while self.tokens:
            self._changed.clear()
            fresh = [token for token in self.tokens if token not in told]
            gone = [token for token in told if token not in self.tokens]
            if fresh and not told:
                await self._send(
                    socket, {"assets_ids": fresh, "type": "market", "initial_dump": True, "level": 2, "custom_feature_enabled": True}
                )
            elif fresh:
                await self._send(socket, {"operation": "subscribe", "assets_ids": fresh})
            if gone:
                await self._send(socket, {"operation": "unsubscribe", "assets_ids": gone})
            told = dict.fromkeys(self.tokens)
            await self._changed.wait()
        return "nothing to watch"

    async def _send(self, socket: Socket, message: dict[str, object]) -> None:
        await socket.send(msgspec.json.encode(message).decode())

    async def _rotated(self) -> str:
        try:
            async with asyncio.timeout(self._knobs.ws_first_data_s):
                await self._rotation.wait()
        except TimeoutError:
            if not self.up:
                return f"no data within {self._knobs.ws_first_data_s:g} s of opening"
            await self._rotation.wait()
        return self._rotation_reason

    async def _down(self, reason: str) -> None:
        self.up = False
        self.reason = reason if self.tokens else ""
        await self._moved(self)


def _close_text(lost: ConnectionClosed) -> str:
    """The close codes without the close reason's length or control characters: the other side wrote it."""
    frame = lost.rcvd or lost.sent
    if frame is None:
        return "no close frame"
    text = "".join(mark for mark in frame.reason[:80] if mark.isprintable())
    return f"{frame.code} {text}".rstrip()
