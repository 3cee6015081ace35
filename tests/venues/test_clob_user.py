"""The user channel: subscription, silence, damage, and every way a socket ends."""

import asyncio
import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from pmm_tui.core.units import Nanos
from pmm_tui.runtime import virtual
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.port import Piece
from pmm_tui.venues.clob.user_ws import KEY_REFUSED, UserChannel
from pmm_tui.venues.clob.wire import OrderNews
from tests.venues.clob_stand import timeless
from tests.venues.scripted_clob import OWNER, ScriptedClob, ScriptedSocket

FRAME = json.dumps(
    {"event_type": "order", "id": "0x1", "market": "0xm", "asset_id": "11", "side": "BUY", "original_size": "10", "size_matched": "0",
     "price": "0.49", "type": "PLACEMENT", "status": "LIVE", "maker_address": "0x9", "timestamp": "1790000000000"}
)  # fmt: skip


class Listening:
    """A channel, and all that it said."""

    def __init__(self, **knobs: Any) -> None:
        self.clob = ScriptedClob()
        self.news: list[OrderNews | Piece] = []
        self.said: list[str] = []
        self.reconciles = asyncio.Event()
        self.reconciles.set()
        self.channel = UserChannel(
            "ws://x/ws/user",
            self.clob,
            ClobKnobs(**knobs),
            virtual.clock,
            Random(1),
            self._heard,
            self._opened,
            self.said.append,
            self.clob.connect,
        )
        self.task = asyncio.create_task(self.channel.run())

    def _heard(self, news: Sequence[OrderNews | Piece]) -> None:
        self.news += news

    async def _opened(self) -> None:
        await self.reconciles.wait()
        self.said.append("up")

    @property
    def socket(self) -> ScriptedSocket:
        return self.clob.sockets[-1]

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@timeless
async def test_it_subscribes_with_its_keys_and_pings() -> None:
    one = Listening()
    await asyncio.sleep(25)
    assert json.loads(one.socket.sent[0]) == {"auth": {"apiKey": OWNER, "secret": "s", "passphrase": "p"}, "type": "user"}
    assert one.socket.sent[1:] == ["PING", "PING"] and one.said == ["up"] and one.channel.since
    await one.end()
    assert one.socket.closed


@timeless
async def test_it_is_heard_while_the_account_is_still_read() -> None:
    one = Listening()
    one.reconciles.clear()
    await asyncio.sleep(1)
    one.clob.frame(FRAME)
    await asyncio.sleep(1)
    assert [news.id for news in one.news if isinstance(news, OrderNews)] == ["0x1"] and one.said == []
    one.reconciles.set()
    await asyncio.sleep(1)
    assert one.said == ["up"]
    await one.end()


@timeless
async def test_F53_a_lost_socket_is_replaced() -> None:
    one = Listening()
    for _ in range(3):
        await asyncio.sleep(5)
        one.socket.waiting.put_nowait(ConnectionClosedError(Close(1006, ""), None))
    await asyncio.sleep(5)
    assert one.said == ["up", "connection lost: 1006"] * 3 + ["up"] and len(one.clob.sockets) == 4
    await one.end()


@timeless
async def test_a_deaf_socket_is_given_up() -> None:
    one = Listening()
    await asyncio.sleep(1)

    async def swallow(message: str) -> None:
        one.socket.sent.append(message)

    one.clob.sockets[0].send = swallow  # type: ignore[method-assign]  # this venue errs on purpose
    await asyncio.sleep(45)
    assert "no frame and no PONG" in one.said[1] and len(one.clob.sockets) == 2
    await one.end()


@timeless
async def test_F13_frames_that_cannot_be_read_are_counted_and_end_the_socket() -> None:
    one = Listening()
    await asyncio.sleep(1)
    for raw in ("{", "[" * 100_000, '{"event_type":"trade"}', "nonsense", "[1]", "PONG", '{"event_type":"mystery"}') + ("{",) * 5:
        one.clob.frame(raw)
    one.clob.frame(FRAME)
    await asyncio.sleep(1)
    assert one.said == ["up", "10 unreadable frames", "up"] and one.channel.malformed == 10
    await one.end()


def refusal(code: int, **headers: str) -> InvalidStatus:
    return InvalidStatus(Response(code, "no", Headers(headers), b""))


@timeless
@pytest.mark.parametrize("how", [refusal(401), refusal(403), None])
async def test_F03_a_refused_key_is_final(how: InvalidStatus | None) -> None:
    one = Listening()
    if how is not None:
        one.clob.refuse_sockets.append(how)
    await asyncio.sleep(1)
    if how is None:
        one.socket.waiting.put_nowait(ConnectionClosedError(Close(4001, "unauthorized"), None))
    await asyncio.sleep(1)
    assert one.said[-1] == KEY_REFUSED and one.task.done()
    await one.end()


@timeless
async def test_F03_a_busy_venue_is_asked_when_it_said() -> None:
    one = Listening()
    one.clob.refuse_sockets += [refusal(429, **{"Retry-After": "7"}), OSError("no route")]
    await asyncio.sleep(6.9)
    assert one.said == ["refused with HTTP 429"] and not one.clob.sockets
    await asyncio.sleep(2)
    assert one.said[1:] == ["cannot connect: OSError", "up"]
    await one.end()


@timeless
async def test_it_can_be_dropped() -> None:
    one = Listening()
    await asyncio.sleep(1)
    one.channel.drop("stale")
    await asyncio.sleep(1)
    assert one.said == ["up", "stale", "up"] and one.clob.sockets[0].closed
    await one.end()


async def test_over_a_real_socket() -> None:
    got: list[str] = []
    done = asyncio.Event()

    async def venue(socket: ServerConnection) -> None:
        got.append(str(await socket.recv()))
        await socket.send("[" + FRAME + "]")
        await socket.wait_closed()

    def heard(news: Sequence[OrderNews | Piece]) -> None:
        got.extend(one.id for one in news if isinstance(one, OrderNews))
        done.set()

    async def opened() -> None:
        got.append("up")

    async with serve(venue, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/ws/user"
        channel = UserChannel(url, ScriptedClob(), ClobKnobs(), lambda: Nanos(1), Random(1), heard, opened, got.append)
        task = asyncio.create_task(channel.run())
        async with asyncio.timeout(5):
            await done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    subscription = next(text for text in got if text.startswith("{"))
    assert json.loads(subscription)["type"] == "user" and sorted(text for text in got if text != subscription) == ["0x1", "up"]
