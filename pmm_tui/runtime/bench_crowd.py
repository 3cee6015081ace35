"""The processes beside a bench of the api: one stamps facts, the other is a crowd of faces. They import little, to start at once."""

import asyncio
import os
import struct
import time

from websockets.asyncio.client import unix_connect

FACTS_PER_S = 200
FRAME_BYTES_MAX = 16 * 1024 * 1024
STAMP = struct.Struct("<q")
HELLO = (
    b"GET /ws HTTP/1.1\r\nHost: desk\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def stamps(pipe: int) -> None:
    """Write the machine's monotonic time, again and again, until killed."""
    due = time.monotonic()
    while True:
        due += 1 / FACTS_PER_S
        time.sleep(max(0.0, due - time.monotonic()))
        os.write(pipe, STAMP.pack(time.monotonic_ns()))


def crowd(path: str, reading: int, deaf: int) -> None:
    """Be so many faces, until killed."""
    asyncio.run(_be(path, reading, deaf))


async def _be(path: str, reading: int, deaf: int) -> None:
    silent = [await asyncio.open_unix_connection(path, limit=1_024) for _ in range(deaf)]
    for _, writer in silent:
        writer.write(HELLO)
    async with asyncio.TaskGroup() as group:
        for _ in range(reading):
            group.create_task(_read(path))
        await asyncio.Event().wait()


async def _read(path: str) -> None:
    async with unix_connect(path, "ws://desk/ws", compression=None, max_size=FRAME_BYTES_MAX) as ws:
        async for _ in ws:
            pass
