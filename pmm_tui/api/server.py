"""A desk's window: HTTP and WebSocket on a Unix socket of its owner only, and by TCP on 127.0.0.1 for whoever has the token."""

import asyncio
import logging
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import uvicorn
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import WebSocketException

from pmm_tui.api.faces import ACKS_MAX, FACES_MAX, IDS_MAX, Board, Faces, Mailbox, NoPicture
from pmm_tui.api.gate import Gate, Token
from pmm_tui.api.metrics import CONTENT_TYPE, Shown, exposition
from pmm_tui.api.protocol import MESSAGE_BYTES_MAX
from pmm_tui.api.records import EmptyRecords, FolderRecords, Records
from pmm_tui.api.routes import ASYNCAPI, EXCEPTIONS, GRAFANA, METRICS, OPENAPI, desk_routes, document
from pmm_tui.api.schema import asyncapi, dashboard, openapi

__all__ = ["ACKS_MAX", "FACES_MAX", "IDS_MAX", "Api", "Board", "Door", "Mailbox", "NoPicture", "SocketTaken", "listen"]

OWN_MAX = 2 * FACES_MAX
"""Connections on the Unix socket at once: every face, and as many who ask once."""
TCP_MAX = 48
"""Connections by TCP at once. Fewer than there are faces: who comes by TCP cannot take the last place of a console here."""
FILES_PART = 8
"""No door takes more than this part of the files that the process may open: the records and the venue come first."""
REQUEST_S = 5.0
"""So long a connection may take until its first request is whole, and its next one."""
SEND_BYTES_MAX = 64 * 1024
"""What the kernel holds for a face that does not read (it counts double), and above which its connection holds no frame more."""
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, AssertionError, WebSocketException)
"""What the parsers raise for bytes that are no request; they promise nothing of it."""
_PATH_BYTES_MAX = 104
"""sun_path is 108 bytes on Linux, 104 on macOS."""


class SocketTaken(Exception):
    """Another desk already answers on this socket or port, or the folder is not ours."""


class Door(Struct, frozen=True):
    """The way in by TCP."""

    port: int
    """On 127.0.0.1; 0: any that is free."""
    token: Token


class Doorway(socket.socket):
    """A listening socket with few places: whoever comes when they are taken is closed at once."""

    def __init__(self, family: socket.AddressFamily, most: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = most if files == resource.RLIM_INFINITY else min(most, files // FILES_PART)
        self._taken: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; BlockingIOError where one was turned away."""
        connection, address = super().accept()
        self._taken = [one for one in self._taken if one.fileno() >= 0]
        if len(self._taken) >= self._most:
            connection.close()
            raise BlockingIOError  # asyncio then does what else there is before it asks for another: a crowd does not hold up the desk
        self._taken.append(connection)
        return connection, address


class Web(HttpToolsProtocol):
    """An HTTP connection that is closed where its next request is not whole in time, however slowly it comes."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for none."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        _read(self.transport, super().data_received, data)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait()

    def handle_websocket_upgrade(self) -> None:
        """Leave it to the WebSocket."""
        self._wait_no_more()
        super().handle_websocket_upgrade()

    def _wait(self) -> None:
        self._wait_no_more()
        self._deadline = self.loop.call_later(REQUEST_S, self._late)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _late(self) -> None:
        asked = cast(RequestResponseCycle | None, self.cycle)  # None before the first
        if asked is None or asked.response_complete or asked.more_body:
            self.transport.abort()


class Connection(WebSocketsSansIOProtocol):
    """A WebSocket whose unread bytes are few: a picture waits as the newest one in its mailbox, not in a buffer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the kernel's buffer and our own, and the time for the handshake."""
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES_MAX)
        cast(asyncio.WriteTransport, transport).set_write_buffer_limits(high=SEND_BYTES_MAX)
        super().connection_made(transport)
        self.loop.call_later(REQUEST_S, self._late)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        _read(self.transport, super().data_received, data)

    def _late(self) -> None:
        if not self.handshake_complete:
            self.transport.abort()


def _read(transport: asyncio.Transport, parse: Callable[[bytes], None], data: bytes) -> None:
    """What a stranger's bytes do to a parser ends his connection, and is no failure of the desk."""
    try:
        parse(data)
    except UNREADABLE:
        transport.abort()


class Uvicorn(uvicorn.Server):
    """uvicorn inside a loop of ours: whoever runs it owns the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing."""
        yield


def server(app: Starlette, token: Token | None) -> Uvicorn:
    """What serves an app behind the gate."""
    logging.getLogger("uvicorn.error").addFilter(_of_the_program)
    config = uvicorn.Config(
        Gate(app, token),
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        http=Web,
        ws=Connection,
        ws_max_size=MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,  # each face would be compressed for apart, in the desk's time
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return Uvicorn(config)


def _of_the_program(record: logging.LogRecord) -> bool:
    """Only what failed here is worth a line: all else that uvicorn says, whoever reaches the port can make it say without end."""
    return record.getMessage().startswith("Exception in ASGI application")


class Api:
    """Serves one board until stopped, on one Unix socket, and by TCP where there is a door. Faces never hold up the desk."""

    def __init__(
        self,
        board: Board,
        path: Path,
        *,
        clock: Callable[[], int] = time.time_ns,
        hz: float = 10.0,
        folder: Path | None = None,
        door: Door | None = None,
    ) -> None:
        """`folder`: where the run's records are."""
        self._path = path
        self._door = door
        self._records: Records = EmptyRecords() if folder is None else FolderRecords(folder)
        self._faces = Faces(board, clock=clock, hz=hz)
        self._server: Uvicorn | None = None
        self._stopping = False
        self.port = 0
        """The TCP port while it is served; 0 where there is none."""

    @property
    def faces(self) -> int:
        """Faces connected now."""
        return len(self._faces)

    @property
    def consoles(self) -> int:
        """Those of them that are consoles and may act."""
        return self._faces.consoles

    @property
    def pushed(self) -> int:
        """Frames offered so far."""
        return self._faces.counted.pushed

    @property
    def under_way(self) -> int:
        """Commands not answered yet."""
        return self._faces.under_way

    @property
    def listening(self) -> bool:
        """Whether a face can connect."""
        return self._server is not None and self._server.started

    async def serve(self) -> None:
        """Listen until `stop`. SocketTaken where the path or the port cannot be had; what the board raises in `frame` ends it too."""
        sockets = [listen(self._path)]
        inode = self._path.stat().st_ino
        self._server = server(self.app(), None if self._door is None else self._door.token)
        self._server.should_exit = self._stopping
        try:
            if self._door is not None:
                sockets.append(listen_tcp(self._door.port))
                self.port = sockets[-1].getsockname()[1]
            async with asyncio.TaskGroup() as group:
                self._faces.group = group
                publishing = group.create_task(self._faces.publish())
                try:
                    await self._server.serve(sockets=sockets)
                except asyncio.CancelledError:
                    await self._server.shutdown(sockets=sockets)  # uvicorn leaves its connections open when cancelled
                    raise
                publishing.cancel()
        finally:
            self._server = self._faces.group = None
            self.port = 0
            for sock in sockets:
                sock.close()
            if self._path.exists() and self._path.stat().st_ino == inode:
                self._path.unlink()

    def stop(self) -> None:
        """Ask `serve` to return; it lets the faces go first."""
        self._stopping = True
        if self._server is not None:
            self._server.should_exit = True

    def app(self) -> Starlette:
        """The routes."""
        routes = desk_routes(self._faces, lambda: self._records)
        return Starlette(
            routes=[
                *routes,
                Route(METRICS, self._metrics),
                document(OPENAPI, openapi),
                document(ASYNCAPI, asyncapi),
                document(GRAFANA, dashboard),
            ],
            exception_handlers=EXCEPTIONS,
        )

    async def _metrics(self, _: HttpRequest) -> Response:
        text = exposition([Shown("", self._faces.board.frame(), self._faces)])
        return Response(text, headers={"Content-Type": CONTENT_TYPE})


def listen(path: Path) -> socket.socket:
    """A bound Unix socket at `path`, 0600 in a folder of 0700. SocketTaken where a desk answers there or the folder is another user's."""
    if len(os.fsencode(path)) > _PATH_BYTES_MAX:
        raise SocketTaken(f"socket path longer than {_PATH_BYTES_MAX} bytes: {path}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise SocketTaken(f"{path.parent} belongs to another user")
    path.parent.chmod(0o700)
    if path.exists() and _answers(path):
        raise SocketTaken(f"a desk already answers on {path}")
    path.unlink(missing_ok=True)
    sock = Doorway(socket.AF_UNIX, OWN_MAX)
    try:
        sock.bind(str(path))
        path.chmod(0o600)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def listen_tcp(port: int) -> socket.socket:
    """A bound TCP socket on 127.0.0.1; SocketTaken where the port is another's."""
    sock = Doorway(socket.AF_INET, TCP_MAX)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise SocketTaken(f"api_port: port {port} of 127.0.0.1 cannot be had: {error.strerror}") from error
    return sock


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True  # somebody listens, and is busy
        except OSError:
            return False
    return True
