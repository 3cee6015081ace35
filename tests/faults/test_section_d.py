"""Section D of the catalogue, process and storage, as far as it shows at the exchange; the rest is proven where the process is real."""

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from pmm_tui.core.units import SECOND
from pmm_tui.runtime.virtual import clock
from pmm_tui.venues.clob.client import make
from pmm_tui.venues.clob.port import Silent
from tests.faults.scene import playing
from tests.venues.clob_scene import AT, ID, MARKET, PLACE, keys
from tests.venues.clob_stand import timeless


@timeless
async def test_F71_after_a_minute_asleep_everything_is_pulled_and_read_anew() -> None:
    async with playing() as scene:
        began = clock()
        scene.stall(60)
        woken = clock()
        scene.show(4_600, 5_200)
        await scene.until(lambda: scene.noted("it stood still for"), 1)
        assert not scene.posted(began)
        await scene.quoting(60)
        first = min(scene.arrived("POST", "/order", woken))
        assert [at for at in scene.arrived("GET", "/data/orders", woken) if at < first] and first - woken >= SECOND
        assert {order.price for order in scene.resting()} == {4_700, 4_900}


@contextmanager
def no_more_files() -> Iterator[None]:
    """No file and no socket can be opened any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    opened = []
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_F70_without_a_free_descriptor_a_cancel_still_leaves_over_the_connection_that_is_kept_for_it() -> None:
    asked: list[str] = []
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := (await reader.readuntil(b"\r\n\r\n")):
                head = line.decode()
                length = next((int(part.split(":")[1]) for part in head.split("\r\n") if part.lower().startswith("content-length")), 0)
                await reader.readexactly(length)
                asked.append(head.split(" HTTP")[0])
                body = b'{"canceled":["%s"]}' % ID.encode() if head.startswith("DELETE") else b"1700000000"
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            ended.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    clob = await make(keys(), f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", chance=Random(1), clock=lambda: AT)
    assert await clob.server_time_s() == 1_700_000_000  # heartbeats and the clock keep that connection warm
    order = clob.sign(PLACE, MARKET, AT)
    with no_more_files():
        with pytest.raises(Silent):
            await clob.post([order])
        assert (await clob.cancel_all()).gone == (ID,)
    assert asked == ["GET /time", "DELETE /cancel-all"]
    await clob.close()
    await ended.wait()
    server.close()
