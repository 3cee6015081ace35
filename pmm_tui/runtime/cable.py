"""The cable between a desk and an exchange on this machine: it can be cut or go silent, and notes every order that was acknowledged."""

import asyncio
import re

LOOPBACK = "127.0.0.1"
CHUNK = 65_536
_TAKEN = re.compile(rb'"orderID":"(0x[0-9a-fA-F]{64})"')
_ORDERS = b"POST /order"
EDGE_S = 0.5
"""The network in front of a venue keeps its own connection open for a request that it has, also where the client is gone."""
_LONGEST = 90
"""Bytes of the longest beginning of a match that one chunk may leave to the next."""


class Cable:
    """TCP from a port of its own to the exchange's. Used inside one event loop."""

    def __init__(self, to: int) -> None:
        self.port = 0
        self.acknowledged: set[str] = set()
        """The ids of all orders that the exchange said it took, whether or not the desk lived to hear it."""
        self._to = to
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._carries = asyncio.Event()
        self._carries.set()
        self.held = 0
        """Requests with orders that are kept on their way."""
        self._passes: asyncio.Event | None = None

    async def mend(self) -> None:
        """Listen (on the same port as ever), and carry what was held back."""
        if self._server is None:
            self._server = await asyncio.start_server(self._joined, LOOPBACK, self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        self._carries.set()

    def cut(self) -> None:
        """Every connection breaks, and each further one is refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in self._ends:
            end.transport.abort()

    def hush(self) -> None:
        """Connections stay, more are taken, and not a byte passes, until it is mended."""
        self._carries.clear()

    def hold_orders(self) -> None:
        """Requests with orders that come from now on stay on their way, whatever becomes of their desk."""
        self.held, self._passes = 0, asyncio.Event()

    def pass_orders(self) -> None:
        """They arrive, and so do all that come later."""
        if self._passes is not None:
            self._passes.set()
            self._passes = None

    async def close(self) -> None:
        """Cut it for good."""
        self.cut()
        self._carries.set()
        self.pass_orders()
        await asyncio.gather(*self._tasks)

    def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._to)
        except OSError:
            writer.transport.abort()
            self._ends.discard(writer)
            return
        self._ends.add(far_writer)
        try:
            await asyncio.gather(self._carry(reader, far_writer, False), self._carry(far_reader, writer, True))
        finally:
            for end in (writer, far_writer):
                self._ends.discard(end)
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        """One way, to its end. Answers are read on, and noted, where the desk is gone."""
        tail, lasts_s = b"", 0.0
        while data := await _read(reader):
            if answers:
                tail += data
                self.acknowledged |= {found.decode().lower() for found in _TAKEN.findall(tail)}
                tail = tail[-_LONGEST:]
            elif self._passes is not None and data.startswith(_ORDERS):
                self.held += 1
                await self._passes.wait()
                lasts_s = EDGE_S
            await self._carries.wait()
            await _write(writer, data)
        await asyncio.sleep(lasts_s)
        await _write(writer, b"")


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK)
    except OSError:
        return b""


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Pass it on; no data is the end of this way."""
    if writer.is_closing():
        return
    try:
        if data:
            writer.write(data)
            await writer.drain()
        else:
            writer.write_eof()
    except OSError:
        return  # this end is gone; what the other one still says is noted all the same
