"""Fifty faces, half of them reading nothing: they are bounded, the others see the newest, and a picture is encoded once."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import unix_connect

from pmm_tui.api import faces as room
from pmm_tui.api.protocol import encode_push
from pmm_tui.api.server import SEND_BYTES_MAX, Connection
from tests.api.scene import answer, asked, serving, until
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard

READERS, DEAF = 25, 25
HELLO = (
    b"GET /ws HTTP/1.1\r\nHost: desk\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def many_markets() -> FakeBoard:
    """A desk with a picture of some 40 KB."""
    frame = pictures.three()
    return FakeBoard(replace(frame, snapshot=replace(frame.snapshot, markets=frame.snapshot.markets * 4)))


async def test_fifty_faces_half_of_them_deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = 0

    def counting(frame: Any) -> bytes:
        nonlocal encoded
        encoded += 1
        return encode_push(frame)

    monkeypatch.setattr(room, "encode_push", counting)
    path, board = tmp_path / "s" / "desk.sock", many_markets()
    size = len(encode_push(board.frame()))
    async with serving(path, board, hz=20.0) as api, AsyncExitStack() as stack:
        deaf = [await asyncio.open_unix_connection(str(path), limit=1_024) for _ in range(DEAF)]
        for _, writer in deaf:
            writer.write(HELLO)
            stack.callback(writer.transport.abort)
        readers = [await unix_connect(str(path), "ws://desk/ws", max_queue=4) for _ in range(READERS)]
        for ws in readers:
            stack.callback(ws.transport.abort)
        await until(lambda: api.faces == READERS + DEAF)
        seen = await asyncio.gather(*(read(ws, 12) for ws in readers))
        assert min(map(len, seen)) == 12
        await until(lambda: sum(box.dropped > 10 for box in api._faces) >= DEAF)
        assert encoded <= api.pushed + READERS + DEAF, "once for all, and once for the first look of each"
        assert api._server is not None
        sockets = [one.transport.get_extra_info("socket") for one in api._server.server_state.connections]
        assert max(one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) for one in sockets) <= 2 * SEND_BYTES_MAX
        waiting = [one.transport.get_write_buffer_size() for one in api._server.server_state.connections if isinstance(one, Connection)]
        assert len(waiting) == READERS + DEAF and max(waiting) <= SEND_BYTES_MAX + 2 * size
        assert sum(size > 0 for size in waiting) >= DEAF, "the deaf ones' buffers are full, and full is little"
        assert (await answer(readers[0], asked("kill"))).ok
        newest = await asyncio.gather(*(read(ws, 3) for ws in readers))
        assert min(last[-1] for last in newest) > max(first[0] for first in seen), "each sees ever newer ones"
    assert api.faces == 0


async def read(ws: Any, count: int) -> list[int]:
    """The sequence numbers of the next frames."""
    return [int(str(await ws.recv()).partition('"snapshot":{"seq":')[2].partition(",")[0]) for _ in range(count)]


async def test_the_faces_are_served_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two groups the loop does what else there is, so that no decision waits for fifty sends."""
    faces = room.Faces(FakeBoard(pictures.quoting()), hz=100.0)
    boxes = [room.Mailbox() for _ in range(18)]
    faces._boxes.update(boxes)
    between: list[int] = []
    handing = asyncio.create_task(faces._hand_out("a picture"))
    while not handing.done():
        await asyncio.sleep(0)
        between.append(sum(box._frame is not None for box in boxes))
    assert max(later - earlier for earlier, later in zip([0, *between], between, strict=False)) <= room.SERVED_AT_ONCE
    assert between[-1] == 18
