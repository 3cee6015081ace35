"""The user channel: one socket that tells of the wallet's own orders and trades, and never repeats what it said while nobody listened."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.feeds.fetch import Patience, retry_after_s
from pmm_tui.feeds.sockets import Connect, Socket, dial, websockets_connect
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.port import Clob, Piece
from pmm_tui.venues.clob.wire import OrderNews, user_news

MALFORMED_MAX = 10
KEY_REFUSED = "key refused"
_NO = (401, 403)
_NO_CODES = (1008, 4001, 4003)


class UserChannel:
    """Keeps one socket, for good.

    `heard(news)` takes what each frame tells. `opened()` is awaited beside the reading when a socket stands: the reconcile. Once it is done
    the channel is up. `lost(reason)` tells of the end of a socket; reason `key refused` is final, and `run` ends.
    """

    def __init__(
        self,
        url: str,
        clob: Clob,
        knobs: ClobKnobs,
        clock: Callable[[], Nanos],
        chance: Random,
        heard: Callable[[Sequence[OrderNews | Piece]], None],
        opened: Callable[[], Awaitable[None]],
        lost: Callable[[str], None],
        connect: Connect = websockets_connect,
    ) -> None:
        self.since = Nanos(0)
        """When the present socket was subscribed; 0 without one."""
        self.malformed = 0
        self._url = url
        self._clob = clob
        self._knobs = knobs
        self._clock = clock
        self._patience = Patience(knobs.user_backoff_first_s, knobs.user_backoff_max_s, chance)
        self._heard = heard
        self._opened = opened
        self._lost = lost
        self._connect = connect
        self._frame_at = Nanos(0)
        self._dropped = asyncio.Event()
        self._why = ""

    def drop(self, reason: str) -> None:
        """Give the socket up for a new one."""
        self._why = reason
        self._dropped.set()

    async def run(self) -> None:
        """Connect, read, and connect anew; ends where the key is refused, and else only by cancellation."""
        while True:
            reason, wait_s = await self._session()
            self.since = Nanos(0)
            self._lost(reason)
            if reason == KEY_REFUSED:
                return
            await asyncio.sleep(self._patience.next(wait_s))

    async def _session(self) -> tuple[str, float]:
        """One socket from handshake to end: why it ended, and what the server asked us to wait."""
        knobs = self._knobs
        try:
            socket = await dial(self._connect, self._url, knobs.user_frame_bytes_max, knobs.user_open_timeout_s)
        except InvalidStatus as refused:
            code = refused.response.status_code
            wait_s = retry_after_s(refused.response.headers.get("Retry-After"), self._clock() / SECOND)
            return (KEY_REFUSED if code in _NO else f"refused with HTTP {code}"), wait_s
        except (OSError, TimeoutError, WebSocketException) as lost:
            return f"cannot connect: {type(lost).__name__}", 0.0
        try:
            return await self._converse(socket), 0.0
        finally:
            await socket.close()

    async def _converse(self, socket: Socket) -> str:
        """Subscribe, then read, ping and reconcile side by side until one of them says why it is over."""
        self._dropped.clear()
        self._frame_at = self._clock()
        doing = (self._read(socket, self.malformed), self._live(socket), self._ping(socket), self._drop())
        chores = [asyncio.create_task(chore) for chore in doing]
        try:
            await asyncio.wait(chores, return_when=asyncio.FIRST_COMPLETED)
            ended = next(chore for chore in chores if chore.done())
            try:
                return ended.result()
            except ConnectionClosed as closed:
                frame = closed.rcvd
                if frame is not None and frame.code in _NO_CODES:
                    return KEY_REFUSED
                return f"connection lost: {frame.code if frame is not None else 'no close frame'}"
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)

    async def _live(self, socket: Socket) -> str:
        """Subscribe and reconcile; then there is nothing more to do."""
        await socket.send(msgspec.json.encode({"auth": self._clob.channel_auth(), "type": "user"}).decode())
        self.since = self._clock()
        await self._opened()
        self._patience.reset()
        await asyncio.Event().wait()
        return ""

    async def _read(self, socket: Socket, before: int) -> str:
        while True:
            raw = await socket.recv()
            self._frame_at = self._clock()
            try:
                news = user_news(raw, self._clob.api_key, self._clob.wallet)
            except ValueError:
                # What cannot be read may have been a fill: the comparison with the account finds it, and too many end the socket.
                self.malformed += 1
                if self.malformed - before >= MALFORMED_MAX:
                    return f"{MALFORMED_MAX} unreadable frames"
                continue
            if news:
                self._heard(news)

    async def _ping(self, socket: Socket) -> str:
        while True:
            await asyncio.sleep(self._knobs.user_ping_s)
            deaf_ns = self._clock() - self._frame_at
            if deaf_ns > self._knobs.user_deaf_s * SECOND:
                return f"no frame and no PONG for {deaf_ns / SECOND:.0f} s"
            await socket.send("PING")

    async def _drop(self) -> str:
        await self._dropped.wait()
        return self._why
