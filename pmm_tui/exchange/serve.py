"""The servers: HTTP and WebSockets over one Polymarket, on one port."""

import asyncio
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pmm_tui.core.units import Nanos
from pmm_tui.exchange.polymarket import Polymarket
from pmm_tui.exchange.terms import Ask

_POLL_S = 0.01
_OUTBOX_MAX = 100_000


class Servers:
    """The async coat: an ASGI `app`, and `run`, the one task that lets time pass. A slow socket only ever fills its own outbox."""

    def __init__(self, venue: Polymarket, clock: Callable[[], Nanos]) -> None:
        self._venue = venue
        self._clock = clock
        self._outboxes: dict[int, asyncio.Queue[str]] = {}
        methods = ["GET", "POST", "DELETE"]
        sockets = [WebSocketRoute(path, self._socket) for path in ("/ws/market", "/ws/user")]
        self.app = Starlette(routes=[*sockets, Route("/{path:path}", self._http, methods=methods)])

    async def run(self) -> None:
        """Advance the exchange and send what is due, until cancelled."""
        while True:
            self._flush()
            await asyncio.sleep(_POLL_S)

    def _flush(self) -> None:
        now = self._clock()
        self._venue.advance(now)
        for number, frame in self._venue.frames(now):
            outbox = self._outboxes.get(number)
            if outbox is not None and not outbox.full():
                outbox.put_nowait(frame.raw)

    async def _http(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        ip = request.client.host if request.client else ""
        ask = Ask(request.method, request.url.path, request.url.query, headers, await request.body(), ip)
        verdict = self._venue.faults.judge(ask, self._clock())
        await asyncio.sleep(verdict.late_ms / 1000)
        answer = verdict.carry(ask, self._clock(), self._venue.answer)
        self._flush()
        await asyncio.sleep(verdict.delay_ms / 1000)
        if verdict.hang:
            await asyncio.Event().wait()
        if answer is None:
            raise ConnectionAbortedError("a fault dropped this connection")
        return Response(answer.body, answer.status, answer.headers, answer.kind)

    async def _socket(self, socket: WebSocket) -> None:
        await socket.accept()
        number = self._venue.open(socket.url.path.rpartition("/")[2])
        outbox = self._outboxes[number] = asyncio.Queue(_OUTBOX_MAX)
        sender = asyncio.create_task(_send(socket, outbox))
        try:
            while True:
                self._venue.hear(number, await socket.receive_text(), self._clock())
                self._flush()
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client is gone
        finally:
            sender.cancel()
            del self._outboxes[number]
            self._venue.channels.close(number)


async def _send(socket: WebSocket, outbox: asyncio.Queue[str]) -> None:
    while True:
        await socket.send_text(await outbox.get())
