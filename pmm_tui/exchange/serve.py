"""The servers: HTTP and WebSockets over one Polymarket, on one port."""

import asyncio
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.faults import CUT
from pmm_tui.exchange.polymarket import Polymarket
from pmm_tui.exchange.terms import Ask

OUTBOX_MAX = 50_000
"""A socket that lets so many frames wait loses its connection at once, without a close frame: no frame is ever left out."""
_SLEEP_S_MAX = 1.0
_PATHS = ("/ws/market", "/ws/user", "/rtds")


class Broken(Response):
    """A connection that ends in the middle of its answer: what a fault that drops one looks like to a client."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise a body and never send it; the server then closes the connection."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"65536")]})


class Servers:
    """The async coat: an ASGI `app`, and `run`, the one task that lets time pass."""

    def __init__(self, venue: Polymarket, clock: Callable[[], Nanos]) -> None:
        self._venue = venue
        self._clock = clock
        self._outboxes: dict[int, asyncio.Queue[str]] = {}
        self._senders: dict[int, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        sockets = [WebSocketRoute(path, self._socket) for path in _PATHS]
        self.app = Starlette(routes=[*sockets, Route("/{path:path}", self._http, methods=["GET", "POST", "DELETE"])])

    async def run(self) -> None:
        """Advance the exchange and send what is due, until cancelled."""
        while True:
            self._woken.clear()
            self._flush()
            wait_s = min(_SLEEP_S_MAX, max(0.0, (self._venue.due() - self._clock()) / SECOND))
            try:
                await asyncio.wait_for(self._woken.wait(), wait_s)
            except TimeoutError:
                continue

    def _flush(self) -> None:
        now = self._clock()
        self._venue.advance(now)
        for number, frame in self._venue.frames(now):
            outbox = self._outboxes.get(number)
            if outbox is None:
                continue
            if outbox.full():
                del self._outboxes[number]
                self._senders[number].cancel()  # it may hang in a send for ever; its end is the socket's
                continue
            outbox.put_nowait(frame.raw)

    async def _http(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        ip = request.client.host if request.client else ""
        ask = Ask(request.method, request.url.path, request.url.query, headers, await request.body(), ip)
        verdict = self._venue.judge(ask, self._clock())
        await asyncio.sleep(verdict.late_ms / 1000)
        answer = verdict.carry(ask, self._clock(), self._venue.answer)
        self._woken.set()
        await asyncio.sleep(verdict.delay_ms / 1000)
        if answer is None and not verdict.drop:
            await asyncio.Event().wait()
        if answer is None:
            return Broken()
        return Response(answer.body, answer.status, answer.headers, answer.kind)

    async def _socket(self, socket: WebSocket) -> None:
        verdict = self._venue.faults.judge(Ask("GET", socket.url.path), self._clock())
        refused = verdict.before
        if refused is not None or verdict.drop:
            await socket.send_denial_response(Response(status_code=refused.status if refused is not None else 502))
            return
        await socket.accept()
        channel = socket.url.path.rpartition("/")[2]
        number = self._venue.open(channel)
        outbox = self._outboxes[number] = asyncio.Queue(OUTBOX_MAX)
        sender = self._senders[number] = asyncio.create_task(self._send(socket, outbox))
        tasks = {sender, asyncio.create_task(self._hear(socket, channel, number))}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._outboxes.pop(number, None)
            self._senders.pop(number, None)
            self._venue.shut(channel, number)

    async def _hear(self, socket: WebSocket, channel: str, number: int) -> None:
        try:
            while True:
                self._venue.hear(channel, number, await socket.receive_text(), self._clock())
                self._woken.set()
        except (WebSocketDisconnect, RuntimeError, KeyError):
            return  # the client is gone, or sent what is no text

    async def _send(self, socket: WebSocket, outbox: asyncio.Queue[str]) -> None:
        while True:
            raw = await outbox.get()
            whole, cut, _ = raw.partition(CUT)
            await socket.send_text(whole)
            if cut:
                return
