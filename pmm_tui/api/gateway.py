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

from pmm_tui.api.client import Client, owner
from pmm_tui.api.faces import Faces, NoPicture
from pmm_tui.api.metrics import CONTENT_TYPE, Shown, exposition
from pmm_tui.api.protocol import Args, mode_word
from pmm_tui.api.records import EmptyRecords, Records, SocketRecords
from pmm_tui.api.routes import ASYNCAPI, EXCEPTIONS, GRAFANA, METRICS, OPENAPI, desk_routes, document
from pmm_tui.api.schema import asyncapi, dashboard, openapi
from pmm_tui.api.server import Door, Uvicorn, listen_tcp, server
from pmm_tui.core.snapshot import Frame

LOOK_S = 0.1
MISSED_MAX = 3
"""After so many vain attempts at a socket whose process is gone the desk is looked for anew: it may run again under another name."""
SILENT_S = 3.0
"""A desk sends ten pictures a second: one that has sent none for so long hangs."""
Who = tuple[str, str]
"""A desk's profile, and its mode: PAPER, LIVE or REHEARSAL."""
Locate = Callable[[Who | None], Path | None]
"""Finds a desk's socket, None where it does not run; it may block. Where a desk was found before, no other is looked for."""


def who_is(frame: Frame) -> Who:
    """Which desk this is, however often it is started anew."""
    return frame.card.profile, mode_word(frame.card)


class Remote:
    """The board of a desk in another process. It shows what is there now: a picture of a lost desk is none, and one of another desk too."""

    def __init__(self, name: str, locate: Locate, look_s: float = LOOK_S) -> None:
        self._name = name
        self._locate = locate
        self._look_s = look_s
        self._client: Client | None = None
        self._socket: Path | None = None
        self._who: Who | None = None
        """The desk that was found first: a name that changed hands would send a kill to the wrong one."""

    def frame(self) -> Frame:
        """The newest picture; NoPicture while the desk is lost."""
        client = self._client
        if client is None:
            was = f": it was {' '.join(self._who)}, and no other stands in for it" if self._who is not None else ""
            raise NoPicture(f"no {self._name} desk runs{was}")
        link, frame = client.link(), client.latest()
        if frame is not None:
            self._who = self._who or who_is(frame)
            if who_is(frame) != self._who:
                raise NoPicture(f"the {self._name} desk was {' '.join(self._who)}, and {frame.card.run} is no stand-in for it")
        if not link.connected:
            raise NoPicture(f"the {self._name} desk is lost: {link.why}")
        if frame is None:
            raise NoPicture(f"the {self._name} desk has shown nothing yet")
        if link.age_s > SILENT_S:
            raise NoPicture(f"the {self._name} desk hangs: it has shown nothing for {link.age_s:.0f} s")
        return frame

    async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        """Hand it on in the name of whoever asked, for the run that is shown and no other; a kill reaches one that hangs, too."""
        if self._client is None:
            return False, f"NOT SENT: no {self._name} desk runs"
        run = ""
        try:
            run = self.frame().card.run
        except NoPicture as lost:
            frame = self._client.latest()
            if cmd != "kill" or (frame is not None and who_is(frame) != self._who):
                return False, f"NOT SENT: {lost}"
        return await self._client.command(cmd, args, actor or "gateway", run)

    def records(self) -> Records:
        """Those of the desk that is there now; NoPicture while it is lost."""
        self.frame()
        return EmptyRecords() if self._socket is None else SocketRecords(self._socket)

    async def run(self) -> None:
        """Find the desk, stay with it, find it again; until cancelled."""
        while True:
            self._socket = await asyncio.to_thread(self._locate, self._who)
            if self._socket is None:
                await asyncio.sleep(10 * self._look_s)
                continue
            self._client = Client(self._socket, "gateway", console=False)
            staying = asyncio.create_task(self._client.run())
            try:
                while self._client.link().attempts < MISSED_MAX or await self._hangs():
                    await asyncio.sleep(self._look_s)
            finally:
                self._client = None
                staying.cancel()
                await asyncio.gather(staying, return_exceptions=True)

    async def _hangs(self) -> bool:
        """Whether a process has the socket still: it is stayed with, so that a kill has somewhere to go."""
        await asyncio.sleep(10 * self._look_s)
        return self._socket is not None and bool(await asyncio.to_thread(owner, self._socket))


class Behind(Struct, frozen=True):
    """One desk behind the port."""

    name: str
    suffix: str
    """What its paths end in; empty for the desk that is meant where none is named."""
    remote: Remote
    faces: Faces


def behind(name: str, suffix: str, locate: Locate) -> Behind:
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
