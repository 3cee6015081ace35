"""Several running desks behind one TCP port: each is found, kept and found again, and serves its routes under a name of its own."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pmm_tui.api.client import Client
from pmm_tui.api.faces import Faces, NoPicture
from pmm_tui.api.metrics import CONTENT_TYPE, Shown, exposition
from pmm_tui.api.protocol import Args
from pmm_tui.api.records import EmptyRecords, Records, SocketRecords
from pmm_tui.api.routes import ASYNCAPI, EXCEPTIONS, GRAFANA, METRICS, OPENAPI, desk_routes, document
from pmm_tui.api.schema import asyncapi, dashboard, openapi
from pmm_tui.api.server import Door, Uvicorn, listen_tcp, server
from pmm_tui.core.snapshot import Frame

LOOK_S = 0.1
MISSED_MAX = 3
"""After so many vain attempts at a socket the desk is looked for anew: it may run again under another name."""


class Remote:
    """The board of a desk in another process. It shows what is there now: a picture of a lost desk is none."""

    def __init__(self, name: str, locate: Callable[[], Path | None], look_s: float = LOOK_S) -> None:
        """`locate` finds the desk's socket, None where it does not run; it may block."""
        self._name = name
        self._locate = locate
        self._look_s = look_s
        self._client: Client | None = None
        self._socket: Path | None = None

    def frame(self) -> Frame:
        """The newest picture; NoPicture while the desk is lost."""
        client = self._client
        if client is None:
            raise NoPicture(f"no {self._name} desk runs")
        if not client.link().connected:
            raise NoPicture(f"the {self._name} desk is lost: {client.link().why}")
        frame = client.latest()
        if frame is None:
            raise NoPicture(f"the {self._name} desk has shown nothing yet")
        return frame

    async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        """Hand it on in the name of whoever asked."""
        if self._client is None:
            return False, f"NOT SENT: no {self._name} desk runs"
        return await self._client.command(cmd, args, actor or "gateway")

    def records(self) -> Records:
        """Those of the desk that is there now."""
        return EmptyRecords() if self._socket is None else SocketRecords(self._socket)

    async def run(self) -> None:
        """Find the desk, stay with it, find it again; until cancelled."""
        while True:
            self._socket = await asyncio.to_thread(self._locate)
            if self._socket is None:
                await asyncio.sleep(10 * self._look_s)
                continue
            self._client = Client(self._socket, "gateway", console=False)
            staying = asyncio.create_task(self._client.run())
            try:
                while self._client.link().attempts < MISSED_MAX:
                    await asyncio.sleep(self._look_s)
            finally:
                self._client = None
                staying.cancel()
                await asyncio.gather(staying, return_exceptions=True)


class Behind(Struct, frozen=True):
    """One desk behind the port."""

    name: str
    suffix: str
    """What its paths end in; empty for the desk that is meant where none is named."""
    remote: Remote
    faces: Faces


def behind(name: str, suffix: str, locate: Callable[[], Path | None]) -> Behind:
    """A desk to be served."""
    remote = Remote(name, locate)
    return Behind(name, suffix, remote, Faces(remote))


class Gateway:
    """Serves them until stopped."""

    def __init__(self, desks: Sequence[Behind], door: Door) -> None:
        self._desks = desks
        self._door = door
        self._server: Uvicorn | None = None
        self.port = 0
        """The port while it is served."""

    @property
    def listening(self) -> bool:
        """Whether somebody can connect."""
        return self._server is not None and self._server.started

    def stop(self) -> None:
        """Ask `serve` to return."""
        if self._server is not None:
            self._server.should_exit = True

    async def serve(self) -> None:
        """Listen until `stop`. SocketTaken where the port cannot be had."""
        sock = listen_tcp(self._door.port)
        self.port = sock.getsockname()[1]
        self._server = server(self.app(), self._door.token)
        try:
            async with asyncio.TaskGroup() as group:
                working = []
                for desk in self._desks:
                    desk.faces.group = group
                    working += [group.create_task(desk.remote.run()), group.create_task(desk.faces.publish())]
                await self._server.serve(sockets=[sock])
                for task in working:
                    task.cancel()
        finally:
            self._server = None
            for desk in self._desks:
                desk.faces.group = None
            sock.close()

    def app(self) -> Starlette:
        """The routes of every desk; a named one's come first, as a market could have that name."""
        named = sorted(self._desks, key=lambda desk: desk.suffix, reverse=True)
        routes: list[BaseRoute] = [route for desk in named for route in desk_routes(desk.faces, desk.remote.records, desk.suffix)]
        suffixes = tuple(desk.suffix for desk in self._desks)
        return Starlette(
            routes=[
                *routes,
                Route(METRICS, self._metrics),
                document(OPENAPI, partial(openapi, suffixes)),
                document(ASYNCAPI, partial(asyncapi, suffixes)),
                document(GRAFANA, dashboard),
            ],
            exception_handlers=EXCEPTIONS,
        )

    async def _metrics(self, _: HttpRequest) -> Response:
        return Response(exposition([_shown(desk) for desk in self._desks]), headers={"Content-Type": CONTENT_TYPE})


def _shown(desk: Behind) -> Shown:
    try:
        return Shown(desk.name, desk.remote.frame(), desk.faces)
    except NoPicture:
        return Shown(desk.name, None, desk.faces)
