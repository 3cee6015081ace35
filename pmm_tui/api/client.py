"""A face's end of the window: keeps the newest frame, sends commands that expire, and connects again for ever."""

import asyncio
import os
import signal
import socket
import struct
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

import msgspec
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidHandshake, InvalidMessage

from pmm_tui.api.protocol import CLOSE_ENDED, FRAME_BYTES_MAX, TTL_MS, Ack, Args, Link, Request, decode_frame, read_message
from pmm_tui.core.snapshot import Frame, Stats

BACKOFF_S_MIN = 0.2
BACKOFF_S_MAX = 5.0
OWNER_S = 2.0
"""A socket whose backlog is full is not waited for longer."""
UNANSWERED = "NOT ANSWERED"
"""Begins what is told of a kill that no answer came to."""
GONE = "its process is gone: nobody listens on its socket"
_random = SystemRandom().random


def owner(path: Path) -> int:
    """The process that listens on a Unix socket, as the kernel knows it, whether it answers or not; 0 where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(OWNER_S)
        try:
            probe.connect(str(path))
            creds = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return 0
    return int(struct.unpack("3i", creds)[0])


def signal_kill(path: Path) -> str:
    """Trip the kill switch of the desk that listens on a socket by SIGUSR1, which it takes without its api. What was done, in words."""
    pid = owner(path)
    if not pid:
        return GONE
    if pid == os.getpid():
        return "it is this very process"
    try:
        os.kill(pid, signal.SIGUSR1)
    except OSError as error:
        return f"process {pid} takes no signal: {error.strerror}"
    return f"SIGUSR1 sent to process {pid}"


_STATS = msgspec.json.Decoder(Stats)


class Pictures:
    """One desk's frames, one after another. Half of a frame are its statistics, which change once a second: the same bytes are decoded
    once."""

    def __init__(self) -> None:
        self._told = b""
        self._stats: Stats | None = None

    def decode(self, raw: bytes) -> Frame:
        """As `decode_frame`."""
        head, _, told = raw.rpartition(b',"stats":')  # the last of a frame; within a string its quotes would be escaped
        try:
            if told != self._told:
                self._stats, self._told = _STATS.decode(told[:-1]), told
            frame = decode_frame(head + b"}")
        except msgspec.MsgspecError:  # without statistics, or they stand elsewhere
            return decode_frame(raw)
        return Frame(frame.card, frame.snapshot, self._stats)


class Client:
    """One desk seen from outside. `run` keeps the connection; `latest`, `link` and `command` are for the face.

    Not decoded until looked at: a face that looks four times a second decodes four frames a second.
    """

    def __init__(
        self,
        path: Path,
        actor: str,
        *,
        read_only: bool = False,
        console: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
        jitter: Callable[[], float] = _random,
    ) -> None:
        """`console`: an operator looks through it; the desk may act when its last console is lost."""
        self._path = path
        self._actor = actor
        self._read_only = read_only
        self._uri = f"ws://desk/ws?ro={int(read_only)}&ui={int(console)}"
        self._monotonic = monotonic
        self._wall = wall
        self._jitter = jitter
        self._ws: ClientConnection | None = None
        self._raw: bytes | None = None
        self._pictures = Pictures()
        self._frame: Frame | None = None
        self._heard_at = self._read_at = float("-inf")
        self._why = "not tried yet"
        self._attempts = 0
        self._ended = False
        self._waiting: dict[str, asyncio.Future[Ack]] = {}
        self.malformed = 0
        """Messages that were neither a frame nor an ack."""

    def latest(self) -> Frame | None:
        """The newest frame, even if the desk is lost; None before the first."""
        if self._raw is not None:
            raw, self._raw = self._raw, None
            try:
                self._frame, self._read_at = self._pictures.decode(raw), self._heard_at
            except msgspec.MsgspecError:
                self.malformed += 1
                self._heard_at = self._read_at  # the picture that is shown is as old as the last one that could be read
        return self._frame

    def link(self) -> Link:
        """How the connection stands now; a picture that cannot be read is no sign of life."""
        self.latest()
        return Link(self._ws is not None, self._monotonic() - self._heard_at, self._why, self._attempts, self._ended)

    async def command(self, cmd: str, args: Args, actor: str = "", run: str = "") -> tuple[bool, str]:
        """Ask the desk; (False, why) where it refused, is not there, or did not answer while the request was fresh.

        A kill that is not answered goes to the desk's process as a signal; its answer then begins with UNANSWERED.
        `actor`: who asks, where that is not this client itself. `run`: a desk of another run is to refuse it.
        """
        ack, why = await self._ask(Request(uuid.uuid4().hex, cmd, args, actor or self._actor, TTL_MS, self._wall() // 1_000_000, run))
        if ack is not None:
            return ack.ok, ack.text
        if cmd == "kill" and not self._read_only:
            return False, f"{UNANSWERED}: {why}; {await asyncio.to_thread(signal_kill, self._path)}"
        return False, why

    async def _ask(self, request: Request) -> tuple[Ack | None, str]:
        """The desk's answer; None, with the reason, where there was none."""
        ws = self._ws
        if ws is None:
            return None, f"NOT SENT: no connection to the desk ({self._why})"
        future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = future
        try:
            async with asyncio.timeout(TTL_MS / 1000):
                await ws.send(msgspec.json.encode(request).decode())
                return await future, ""
        except TimeoutError:
            return None, f"no answer within {TTL_MS // 1000} s: look whether it was done"
        except ConnectionClosed:
            return None, "connection lost before the desk answered: look whether it was done"
        finally:
            self._waiting.pop(request.id, None)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            try:
                async with unix_connect(
                    str(self._path), self._uri, compression=None, max_size=FRAME_BYTES_MAX, max_queue=4, open_timeout=2, close_timeout=0.5
                ) as ws:
                    self._ws, self._why, self._attempts, self._ended = ws, "", 0, False
                    await self._listen(ws)
            except FileNotFoundError:
                self._lost("no desk, its socket is not there")
            except ConnectionRefusedError:
                self._lost("its process is gone")
            except (OSError, TimeoutError, InvalidHandshake, InvalidMessage) as error:
                self._lost(f"{type(error).__name__}: {error}")
            finally:
                self._ws = None
            await asyncio.sleep(self._pause_s())

    async def _listen(self, ws: ClientConnection) -> None:
        try:
            while True:
                self._take(await ws.recv(decode=False))
        except ConnectionClosedOK:
            self._lost("the desk closed the connection")
        except ConnectionClosed as closed:
            self._lost(f"connection lost: {closed}")
        self._ended = ws.close_code == CLOSE_ENDED

    def _take(self, raw: bytes) -> None:
        try:
            message = read_message(raw)
        except msgspec.MsgspecError:
            self.malformed += 1
            return
        if isinstance(message, Ack):
            future = self._waiting.get(message.ack)
            if future is not None and not future.done():
                future.set_result(message)
            return
        self._raw = message
        self._heard_at = self._monotonic()

    def _lost(self, why: str) -> None:
        self._ws = None
        self._why = why
        self._attempts += 1
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionClosed(None, None))

    def _pause_s(self) -> float:
        """Full jitter under a doubling ceiling, so that many faces do not return in step."""
        ceiling = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2.0 ** min(self._attempts, 10))
        return BACKOFF_S_MIN / 2 + ceiling * self._jitter()
