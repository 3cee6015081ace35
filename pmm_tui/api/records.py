"""The newest lines of a run's journal and trades, read from the end of their files."""

import asyncio
import os
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec

from pmm_tui.api.faces import NoPicture
from pmm_tui.api.payloads import JournalTail, Problem, Trades, encode
from pmm_tui.record.files import TRADES, TRADES_LIVE
from pmm_tui.record.lines import LIVE

LINES_MAX = 1_000
TAIL_BYTES_MAX = 4 * 1024 * 1024
"""No more of a file's end is read, however long its lines are."""


class NoRecords(Exception):
    """There is nothing to read; the text says why."""


class Records(Protocol):
    """Where a desk's written records are had from."""

    async def journal(self, lines: int) -> bytes:
        """The newest lines, a JournalTail in JSON; NoRecords where there are none, NoPicture where the desk is lost."""
        ...

    async def trades(self, lines: int) -> bytes:
        """The newest trades, a Trades in JSON; NoRecords where there are none, NoPicture where the desk is lost."""
        ...


class FolderRecords:
    """The records in a run's folder. Read and written in a thread: neither the disk nor a long answer may hold up the desk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def journal(self, lines: int) -> bytes:
        """Of the file that is being written; what was rotated away before is not looked at."""
        return await asyncio.to_thread(_journal, self._folder / LIVE, lines)

    async def trades(self, lines: int) -> bytes:
        """Of the paper or the production desk, whichever this run is; none before the first fill."""
        live = self._folder / TRADES_LIVE
        return await asyncio.to_thread(_trades, live if live.is_file() else self._folder / TRADES, lines)


class SocketRecords:
    """The records of a desk seen through its socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def journal(self, lines: int) -> bytes:
        """As the desk reads them."""
        return await self._ask("/api/journal", lines)

    async def trades(self, lines: int) -> bytes:
        """As the desk reads them."""
        return await self._ask("/api/trades", lines)

    async def _ask(self, path: str, lines: int) -> bytes:
        try:
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(self._socket)), timeout=5) as http:
                answer = await http.get(f"http://desk{path}", params={"lines": lines})
        except httpx.HTTPError as error:
            raise NoPicture(f"the desk does not answer: {type(error).__name__}") from error
        if answer.is_error:
            try:
                why = msgspec.json.decode(answer.content, type=Problem).error
            except msgspec.MsgspecError:
                why = f"the desk answers {answer.status_code}"
            raise NoRecords(why) if answer.status_code == 404 else NoPicture(why)
        return answer.content


class EmptyRecords:
    """A desk that writes none."""

    async def journal(self, lines: int) -> bytes:
        """There is none."""
        raise NoRecords("this desk keeps no records")

    async def trades(self, lines: int) -> bytes:
        """There are none."""
        raise NoRecords("this desk keeps no records")


def tail(path: Path, lines: int) -> tuple[dict[str, Any], ...]:
    """The last `lines` whole lines of a file of JSON objects, oldest first. A line that is being written, was torn, or began before
    what is read, is left out: it is no object."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NoRecords(f"no {path.name} yet") from None
    try:
        end = os.fstat(fd).st_size
        size = min(end, 64 * 1024)
        while True:
            raw = os.pread(fd, size, end - size)
            if raw.count(b"\n") > lines or size >= min(end, TAIL_BYTES_MAX):
                break
            size = min(end, 4 * size, TAIL_BYTES_MAX)
    finally:
        os.close(fd)
    whole = raw[: raw.rfind(b"\n") + 1].splitlines()
    return tuple(line for one in whole[-lines:] if (line := _object(one)) is not None)


def _journal(path: Path, lines: int) -> bytes:
    return encode(JournalTail(tail(path, lines)))


def _trades(path: Path, lines: int) -> bytes:
    return encode(Trades(tail(path, lines) if path.is_file() else ()))


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
