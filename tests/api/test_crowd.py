"""Whoever reaches the port without the token: he takes no files, no place and no line of the log from the desk, and cannot end it."""

import asyncio
import logging
import resource
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import InvalidStatus

from pmm_tui.api import server
from pmm_tui.api.server import Doorway
from tests.api.scene import BEARER, answer, asked, by_socket, serving, until
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard

HOST = b"Host: 127.0.0.1\r\n"
TOKEN = f"Authorization: {BEARER['Authorization']}\r\n".encode()
UPGRADE = b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
HELLO = b"GET /ws HTTP/1.1\r\n" + HOST + UPGRADE + b"Connection: Upgrade\r\n"
UNFINISHED = {
    "nothing": b"",
    "half a line": b"GET /hea",
    "no end of the head": b"GET /health HTTP/1.1\r\n" + HOST,
    "no body": b"POST /api/commands HTTP/1.1\r\nContent-Length: 9\r\n" + HOST + TOKEN + b"\r\n",
    "a handshake too long to be read": HELLO + b"".join(b"x%d: y\r\n" % number for number in range(300)) + b"\r\n",
    "an answer, then half a line": b"GET /health HTTP/1.1\r\n" + HOST + TOKEN + b"\r\nGET",
}
GARBAGE = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "another upgrade": b"GET /ws HTTP/1.1\r\n" + HOST + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "no token": HELLO + b"\r\n",
    "a key that is no text": HELLO.replace(b"dGhl", b"\xff\xff") + b"\r\n",
    "a header that is no text": HELLO.replace(b"Connection: Upgrade", b'Connection: upgrade, "\xff') + b"\r\n",
    "a protocol that is no text": HELLO + b"Sec-WebSocket-Protocol: ,,;\xff\r\n\r\n",
}


async def opened(port: int, stack: AsyncExitStack, sent: bytes = b"") -> asyncio.StreamReader:
    """A connection by TCP that has sent this."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(lambda: writer.transport.abort())  # it closes where nobody holds the writer
    writer.write(sent)
    return reader


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What was said until the other end closed."""
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""


async def test_a_crowd_by_tcp_takes_few_places_and_none_of_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "TCP_MAX", 4)
    path = tmp_path / "s" / "desk.sock"
    async with serving(path, tcp=True) as api, AsyncExitStack() as stack, by_socket(path) as own:
        crowd = [await opened(api.port, stack) for _ in range(40)]
        gone = [asyncio.create_task(ended(one)) for one in crowd[4:]]
        assert await asyncio.gather(*gone) == [b""] * 36, "turned away at once"
        assert api._server is not None and len(api._server.server_state.connections) == 4
        for _ in range(3):
            assert (await own.get("/health")).status_code == 200
        async with unix_connect(str(path), "ws://desk/ws?ui=1") as ws:
            assert (await answer(ws, asked("kill"))).ok
        await stack.aclose()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}", headers=BEARER) as http:
            assert (await http.get("/health")).status_code == 200, "there is room again"


@pytest.mark.parametrize(("files", "places"), [(1_024, 100), (400, 50), (resource.RLIM_INFINITY, 100)])
def test_a_door_takes_a_small_part_of_the_files(monkeypatch: pytest.MonkeyPatch, files: int, places: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    with Doorway(socket.AF_INET, 100) as door:
        assert door._most == places


@pytest.mark.parametrize("kind", UNFINISHED)
async def test_who_asks_nothing_in_time_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 0.1)
    async with serving(tmp_path / "s" / "desk.sock", tcp=True) as api, AsyncExitStack() as stack:
        said = await ended(await opened(api.port, stack, UNFINISHED[kind]))
        assert said.startswith(b"HTTP/1.1 200") == kind.startswith("an answer")
        assert api._server is not None
        await until(lambda: api._server is not None and not api._server.server_state.connections)


async def test_a_slow_answer_and_an_open_face_are_not_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 0.1)

    class Slow(FakeBoard):
        async def command(self, cmd: str, args: Any, actor: str) -> tuple[bool, str]:
            await asyncio.sleep(0.3)
            return await super().command(cmd, args, actor)

    path = tmp_path / "s" / "desk.sock"
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(serving(path, Slow(pictures.quoting()), tcp=True))
        own = await stack.enter_async_context(by_socket(path))
        ws = await stack.enter_async_context(connect(f"ws://127.0.0.1:{api.port}/ws", additional_headers=BEARER))
        for number in (1, 2):
            assert (await own.post("/api/commands", content=asked("pause", number))).status_code == 200
        assert (await answer(ws, asked("pause", 3))).ok


@pytest.mark.parametrize("kind", GARBAGE)
async def test_no_bytes_fail_the_desk_or_fill_its_log(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    """What escaped a parser would reach the loop's handler, where the desk takes it for a defect of its own."""
    stray: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: stray.append(context))
    with caplog.at_level(logging.WARNING):
        async with serving(tmp_path / "s" / "desk.sock", tcp=True) as api, AsyncExitStack() as stack:
            said = await ended(await opened(api.port, stack, GARBAGE[kind]))
            assert not said.startswith(b"HTTP/1.1 2") and b" 101 " not in said
            assert api._server is not None
            await until(lambda: api._server is not None and not api._server.server_state.connections)
            with pytest.raises(InvalidStatus):
                await connect(f"ws://127.0.0.1:{api.port}/ws")
    assert not stray and not caplog.records


async def test_who_is_not_let_in_is_not_kept_either(tmp_path: Path) -> None:
    async with serving(tmp_path / "s" / "desk.sock", tcp=True) as api, AsyncExitStack() as stack:
        said = await ended(await opened(api.port, stack, b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"))
        assert said.startswith(b"HTTP/1.1 401") and b"connection: close" in said
