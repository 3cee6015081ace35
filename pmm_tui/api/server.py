"""A desk's window: HTTP and WebSocket on a Unix socket of its owner only, newest picture to every face, instructions back."""

import asyncio
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pmm_tui.api.protocol import MESSAGE_BYTES_MAX, Ack, Args, Request, encode_frame, encode_push, refusal
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Nanos

FACES_MAX = 16
IDS_MAX = 4_096
"""Ids remembered against a repeat; far more than can be sent within a request's time to live."""
ACKS_MAX = 64
"""A face that leaves so many answers unread is let go; so many commands may be under way at once."""
_PATH_BYTES_MAX = 104
"""sun_path is 108 bytes on Linux, 104 on macOS."""


class SocketTaken(Exception):
    """Another desk already answers on this socket, or the folder is not ours."""


class Board(Protocol):
    """What the api needs of a desk."""

    def frame(self) -> Frame:
        """The newest picture; called at most ten times a second."""
        ...

    async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        """Do it, or say in words why not. Never raises for what the operator asked."""
        ...


class Mailbox:
    """What one face is still owed: the newest frame only, and its acknowledgements."""

    __slots__ = ("_acks", "_frame", "_ready", "dropped", "overrun")

    def __init__(self) -> None:
        self._frame: bytes | None = None
        self._acks: list[bytes] = []
        self._ready = asyncio.Event()
        self.dropped = 0
        """Frames replaced before this face took them."""
        self.overrun = False

    def put_frame(self, frame: bytes) -> None:
        """Replace whatever frame is waiting."""
        self.dropped += self._frame is not None
        self._frame = frame
        self._ready.set()

    def put_ack(self, ack: Ack) -> None:
        """Add an answer; answers are never dropped, a face that reads none of them is let go."""
        if len(self._acks) >= ACKS_MAX:
            self.overrun = True
        else:
            self._acks.append(msgspec.json.encode(ack))
        self._ready.set()

    async def take(self) -> list[bytes]:
        """Everything owed, answers first; waits until there is something."""
        await self._ready.wait()
        self._ready.clear()
        owed, self._acks = self._acks, []
        if self._frame is not None:
            owed.append(self._frame)
            self._frame = None
        return owed


class _Uvicorn(uvicorn.Server):
    """uvicorn inside the desk's loop: the desk owns the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing."""
        yield


class Api:
    """Serves one board on one Unix socket until stopped. Faces never hold up the desk: each has a mailbox of one frame."""

    def __init__(self, board: Board, path: Path, *, clock: Callable[[], int] = time.time_ns, hz: float = 10.0) -> None:
        self._board = board
        self._path = path
        self._clock = clock
        self._period_s = 1.0 / hz
        self._faces: set[Mailbox] = set()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._server: _Uvicorn | None = None
        self._group: asyncio.TaskGroup | None = None
        self._under_way = 0
        self._stopping = False
        self.pushed = 0
        """Frames offered so far."""

    @property
    def faces(self) -> int:
        """Faces connected now."""
        return len(self._faces)

    @property
    def listening(self) -> bool:
        """Whether a face can connect."""
        return self._server is not None and self._server.started

    async def serve(self) -> None:
        """Listen until `stop`. Raises SocketTaken where the path cannot be had; what the board raises in `frame` ends it too."""
        sock = listen(self._path)
        inode = self._path.stat().st_ino
        config = uvicorn.Config(
            self.app(),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES_MAX,
            timeout_graceful_shutdown=1,
        )
        self._server = _Uvicorn(config)
        self._server.should_exit = self._stopping
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                publishing = group.create_task(self._publish())
                try:
                    await self._server.serve(sockets=[sock])
                except asyncio.CancelledError:
                    await self._server.shutdown(sockets=[sock])  # uvicorn leaves its connections open when cancelled
                    raise
                publishing.cancel()
        finally:
            self._server = self._group = None
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
        return Starlette(
            routes=[
                Route("/health", self._health),
                Route("/api/state", self._state),
                WebSocketRoute("/ws", self._face),
            ]
        )

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            if self._faces:
                message = encode_push(self._board.frame())
                self.pushed += 1
                for face in self._faces:
                    face.put_frame(message)

    async def _health(self, _: HttpRequest) -> Response:
        frame = self._board.frame()
        body = {
            "ok": not frame.card.busy and frame.snapshot.phase not in ("killing", "killed"),
            "run": frame.card.run,
            "mode": frame.card.mode,
            "pid": frame.card.pid,
            "version": frame.card.version,
            "phase": frame.snapshot.phase,
            "why": frame.snapshot.why,
            "busy": frame.card.busy,
            "seq": frame.snapshot.seq,
            "at": frame.snapshot.at,
        }
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def _state(self, _: HttpRequest) -> Response:
        return Response(encode_frame(self._board.frame()), media_type="application/json")

    async def _face(self, ws: WebSocket) -> None:
        await ws.accept()
        if len(self._faces) >= FACES_MAX:
            await ws.close(1013, f"{FACES_MAX} faces are connected already")
            return
        read_only = ws.query_params.get("ro") == "1"
        mailbox = Mailbox()
        mailbox.put_frame(encode_push(self._board.frame()))
        self._faces.add(mailbox)
        writing = asyncio.create_task(self._write(ws, mailbox))
        reading = asyncio.create_task(self._read(ws, mailbox, read_only))
        try:
            await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._faces.discard(mailbox)
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)

    async def _write(self, ws: WebSocket, mailbox: Mailbox) -> None:
        try:
            while not mailbox.overrun:
                for message in await mailbox.take():
                    await ws.send_text(message.decode())
            await ws.close(1008, "answers are not being read")
        except (WebSocketDisconnect, RuntimeError):
            return  # RuntimeError: starlette's word for sending on a closed socket

    async def _read(self, ws: WebSocket, mailbox: Mailbox, read_only: bool) -> None:
        while True:
            try:
                raw = await ws.receive_text()
            except (WebSocketDisconnect, KeyError, RuntimeError):
                return  # KeyError: a binary message, which no face of ours sends
            self._answer(raw, read_only, mailbox)

    def _answer(self, raw: str, read_only: bool, mailbox: Mailbox) -> None:
        """Refuse at once, or start the command: it outlives the face that sent it, and a slow one delays no other, least of all a kill."""
        try:
            request = msgspec.json.decode(raw, type=Request)
        except msgspec.MsgspecError as error:
            mailbox.put_ack(Ack("", False, f"not a request: {error}"))
            return
        why = refusal(request, Nanos(self._clock()))
        if not why and read_only:
            why = "this connection is read-only"
        if not why and request.id in self._seen:
            why = "repeated id: this request was already taken"
        if not why and self._under_way >= ACKS_MAX and request.cmd != "kill":
            why = "too many commands under way"
        if why or self._group is None:
            mailbox.put_ack(Ack(request.id, False, why or "the desk is stopping"))
            return
        self._seen[request.id] = None
        while len(self._seen) > IDS_MAX:
            self._seen.popitem(last=False)
        self._under_way += 1
        self._group.create_task(self._carry_out(request, mailbox))

    async def _carry_out(self, request: Request, mailbox: Mailbox) -> None:
        try:
            ok, text = await self._board.command(request.cmd, request.args, request.actor)
        finally:
            self._under_way -= 1
        mailbox.put_ack(Ack(request.id, ok, text))


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
