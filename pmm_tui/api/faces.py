"""The faces of one desk: the newest picture to each, encoded once for all; their commands to the board, each one once."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec
from msgspec import Struct
from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket, WebSocketDisconnect

from pmm_tui.api.protocol import Ack, Args, Request, encode_push, refusal
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Nanos

FACES_MAX = 64
KEPT = 8
"""So many of these places are kept for who may act, and as many again for an operator's consoles."""
IDS_MAX = 4_096
"""Ids remembered against a repeat; far more than can be sent within a request's time to live."""
ACKS_MAX = 64
"""A face that leaves so many answers unread is let go; so many commands may be under way at once."""
SERVED_AT_ONCE = 4
"""Faces that get a picture before the loop looks at the desk's own work again."""
SPREAD = 0.5
"""The part of the time between two pictures over which the faces are served."""


class NoPicture(Exception):
    """The board has nothing to show; the text says why."""


def read_only(query: QueryParams) -> bool:
    """Whether whoever asks wants to be kept from acting: anything said of `ro` but a 0 is taken for yes."""
    return any(value != "0" for value in query.getlist("ro"))


class Board(Protocol):
    """What the api needs of a desk."""

    def frame(self) -> Frame:
        """The newest picture; called at most ten times a second. NoPicture where a desk is lost."""
        ...

    async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        """Do it, or say in words why not. Never raises for what the operator asked."""
        ...


class Counted(Struct):
    """What the faces came to, for the metrics."""

    pushed: int = 0
    """Pictures drawn and offered."""
    conflated: int = 0
    """Pictures replaced before their face took them, over all faces that left."""
    turned_away: int = 0
    commands: int = 0
    refused: int = 0


class Mailbox:
    """What one face is still owed: the newest frame only, and its acknowledgements."""

    __slots__ = ("_acks", "_frame", "_ready", "console", "dropped", "overrun")

    def __init__(self, console: bool = False) -> None:
        self._frame: str | None = None
        self._acks: list[str] = []
        self._ready = asyncio.Event()
        self.console = console
        """An operator's console, one that may act."""
        self.dropped = 0
        """Frames replaced before this face took them."""
        self.overrun = False

    def put_frame(self, frame: str) -> None:
        """Replace whatever frame is waiting."""
        self.dropped += self._frame is not None
        self._frame = frame
        self._ready.set()

    def put_ack(self, ack: Ack) -> None:
        """Add an answer; answers are never dropped, a face that reads none of them is let go."""
        if len(self._acks) >= ACKS_MAX:
            self.overrun = True
        else:
            self._acks.append(msgspec.json.encode(ack).decode())
        self._ready.set()

    async def take(self) -> list[str]:
        """Everything owed, answers first; waits until there is something."""
        await self._ready.wait()
        self._ready.clear()
        owed, self._acks = self._acks, []
        if self._frame is not None:
            owed.append(self._frame)
            self._frame = None
        return owed


class Faces:
    """The faces of one board. None holds up the desk: each has a mailbox of one frame, and they are served a few at a time."""

    def __init__(self, board: Board, *, clock: Callable[[], int] = time.time_ns, hz: float = 10.0) -> None:
        self.board = board
        self._clock = clock
        self._period_s = 1.0 / hz
        self._boxes: set[Mailbox] = set()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.group: asyncio.TaskGroup | None = None
        """Where commands are carried out, while the api is served."""
        self.under_way = 0
        """Commands not answered yet."""
        self.counted = Counted()

    def __len__(self) -> int:
        return len(self._boxes)

    def __iter__(self) -> Iterator[Mailbox]:
        return iter(self._boxes)

    @property
    def consoles(self) -> int:
        """Faces that are consoles and may act."""
        return sum(box.console for box in self._boxes)

    @property
    def conflated(self) -> int:
        """Frames that were replaced before their face took them."""
        return self.counted.conflated + sum(box.dropped for box in self._boxes)

    async def publish(self) -> None:
        """The newest picture to every face, again and again, until cancelled."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            due = max(due + self._period_s, clock())
            await asyncio.sleep(due - clock())
            if not self._boxes:
                continue
            try:
                message = encode_push(self.board.frame()).decode()
            except NoPicture:
                continue
            self.counted.pushed += 1
            await self._hand_out(message)

    async def _hand_out(self, message: str) -> None:
        boxes = tuple(self._boxes)
        turns = -(-len(boxes) // SERVED_AT_ONCE)
        for turn in range(turns):
            for box in boxes[turn * SERVED_AT_ONCE : (turn + 1) * SERVED_AT_ONCE]:
                box.put_frame(message)
            if turn + 1 < turns:
                await asyncio.sleep(SPREAD * self._period_s / turns)

    async def face(self, ws: WebSocket) -> None:
        """One face, until it leaves. `ro=1`: its commands are refused. `ui=1`: it is an operator's console."""
        await ws.accept()
        watching = read_only(ws.query_params)
        console = ws.query_params.get("ui") == "1" and not watching
        places = FACES_MAX - KEPT * (watching + (not console))
        if len(self._boxes) >= places:
            self.counted.turned_away += 1
            await ws.close(1013, f"{places} faces are connected already")
            return
        mailbox = Mailbox(console)
        try:
            mailbox.put_frame(encode_push(self.board.frame()).decode())
        except NoPicture:
            pass  # it gets one when there is one
        self._boxes.add(mailbox)
        writing = asyncio.create_task(self._write(ws, mailbox))
        reading = asyncio.create_task(self._read(ws, mailbox, watching))
        try:
            await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._boxes.discard(mailbox)
            self.counted.conflated += mailbox.dropped
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)

    async def _write(self, ws: WebSocket, mailbox: Mailbox) -> None:
        try:
            while not mailbox.overrun:
                for message in await mailbox.take():
                    await ws.send_text(message)
            await ws.close(1008, "answers are not being read")
        except (WebSocketDisconnect, RuntimeError):
            return  # RuntimeError: starlette's word for sending on a closed socket

    async def _read(self, ws: WebSocket, mailbox: Mailbox, watching: bool) -> None:
        while True:
            try:
                raw = await ws.receive_text()
            except (WebSocketDisconnect, RuntimeError):
                return
            except KeyError:
                await ws.close(1003, "a binary message: only text is read")
                return
            try:
                request = msgspec.json.decode(raw, type=Request)
            except msgspec.MsgspecError as error:
                mailbox.put_ack(Ack("", False, f"not a request: {error}"))
                continue
            if why := self._take(request, watching):
                mailbox.put_ack(Ack(request.id, False, why))
            else:
                self._start(request, mailbox.put_ack)

    async def ask(self, request: Request, watching: bool) -> Ack:
        """One command, to its answer: it is carried out even if whoever asked does not wait."""
        if why := self._take(request, watching):
            return Ack(request.id, False, why)
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._start(request, lambda ack: None if answer.done() else answer.set_result(ack))
        return await answer

    def _take(self, request: Request, watching: bool) -> str:
        """Why the request is refused at once; empty where it is taken, which it is only once."""
        why = refusal(request, Nanos(self._clock()))
        if not why and watching:
            why = "this connection is read-only"
        if not why and request.run:
            why = self._another(request)
        if not why and request.id in self._seen:
            why = "repeated id: this request was already taken"
        if not why and self.under_way >= ACKS_MAX and request.cmd != "kill":
            why = "too many commands under way"
        if not why and self.group is None:
            why = "the desk is stopping"
        if why:
            self.counted.refused += 1
            return why
        self._seen[request.id] = None
        while len(self._seen) > IDS_MAX:
            self._seen.popitem(last=False)
        return ""

    def _another(self, request: Request) -> str:
        """Why a request that names a run is not for this desk; empty where it is. A kill is not kept from a desk that hangs."""
        try:
            run = self.board.frame().card.run
        except NoPicture as lost:
            return "" if request.cmd == "kill" else f"which run this is cannot be told: {lost}"
        return "" if run == request.run else f"meant for {request.run[:80]!r}, and this is {run}: nothing was done"

    def _start(self, request: Request, done: Callable[[Ack], None]) -> None:
        """Begin it: it outlives the face that sent it, and a slow one delays no other, least of all a kill."""
        if self.group is not None:
            self.under_way += 1
            self.counted.commands += 1
            self.group.create_task(self._carry_out(request, done))

    async def _carry_out(self, request: Request, done: Callable[[Ack], None]) -> None:
        try:
            ok, text = await self.board.command(request.cmd, request.args, request.actor)
        finally:
            self.under_way -= 1
        done(Ack(request.id, ok, text))
