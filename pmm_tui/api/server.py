"""A desk's window: HTTP and WebSocket on a Unix socket of its owner only, and by TCP on 127.0.0.1 for whoever has the token."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import uvicorn
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from pmm_tui.api.faces import ACKS_MAX, FACES_MAX, IDS_MAX, Board, Faces, Mailbox, NoPicture
from pmm_tui.api.gate import Gate, Token
from pmm_tui.api.metrics import CONTENT_TYPE, Shown, exposition
from pmm_tui.api.protocol import MESSAGE_BYTES_MAX
from pmm_tui.api.records import EmptyRecords, FolderRecords, Records
from pmm_tui.api.routes import ASYNCAPI, EXCEPTIONS, GRAFANA, METRICS, OPENAPI, desk_routes, document
from pmm_tui.api.schema import asyncapi, dashboard, openapi

__all__ = ["ACKS_MAX", "FACES_MAX", "IDS_MAX", "Api", "Board", "Door", "Mailbox", "NoPicture", "SocketTaken", "listen"]

CONNECTIONS_MAX = 4 * FACES_MAX
SEND_BYTES_MAX = 64 * 1024
"""What the kernel holds for a face that does not read (it counts double), and above which its connection holds no frame more."""
_PATH_BYTES_MAX = 104
"""sun_path is 108 bytes on Linux, 104 on macOS."""


class SocketTaken(Exception):
    """Another desk already answers on this socket or port, or the folder is not ours."""


class Door(Struct, frozen=True):
    """The way in by TCP."""

    port: int
    """On 127.0.0.1; 0: any that is free."""
    token: Token


class Connection(WebSocketsSansIOProtocol):
    """A WebSocket whose unread bytes are few: a picture waits as the newest one in its mailbox, not in a buffer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the kernel's buffer and our own."""
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES_MAX)
        cast(asyncio.WriteTransport, transport).set_write_buffer_limits(high=SEND_BYTES_MAX)
        super().connection_made(transport)


class Uvicorn(uvicorn.Server):
    """uvicorn inside a loop of ours: whoever runs it owns the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing."""
        yield


def server(app: Starlette, token: Token | None) -> Uvicorn:
    """What serves an app behind the gate."""
    config = uvicorn.Config(
        Gate(app, token),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws=Connection,
        ws_max_size=MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,  # each face would be compressed for apart, in the desk's time
        limit_concurrency=CONNECTIONS_MAX,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return Uvicorn(config)


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
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
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
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
