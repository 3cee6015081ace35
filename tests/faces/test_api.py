"""The api over a real Unix socket: frames conflated, commands fresh and once, slow faces never in the way."""

import asyncio
import json
import math
import signal
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed

from pmm_tui.api.client import Client, Pictures
from pmm_tui.api.faces import KEPT
from pmm_tui.api.protocol import COMMANDS, Ack, Args, Request, decode_frame, encode_frame, read_message, refusal
from pmm_tui.api.server import ACKS_MAX, FACES_MAX, Api, Mailbox, SocketTaken, listen
from pmm_tui.core.snapshot import Frame, ReferenceRow, Stats, StatsCell
from pmm_tui.core.units import Nanos
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A socket path in a folder that does not exist yet."""
    return tmp_path / "run" / "desk.sock"


async def until(met: Callable[[], bool]) -> None:
    """Wait for a condition; a test that waits for ever fails by the clock of the event loop, not by a guess."""
    async with asyncio.timeout(20):
        while not met():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(board: FakeBoard, path: Path, hz: float = 200.0) -> AsyncIterator[Api]:
    """The real server on a real socket."""
    api = Api(board, path, hz=hz)
    task = asyncio.create_task(api.serve())
    try:
        await until(lambda: api.listening or task.done())
        yield api
    finally:
        api.stop()
        await task


@asynccontextmanager
async def face(path: Path, *, read_only: bool = False) -> AsyncIterator[Client]:
    """The real client, connected."""
    client = Client(path, "console:test", read_only=read_only, jitter=lambda: 0.0)
    task = asyncio.create_task(client.run())
    try:
        await until(lambda: client.link().connected)
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ask(ws: ClientConnection, request: Request) -> Ack:
    """Send a request by hand and read on until its answer."""
    await ws.send(msgspec.json.encode(request).decode())
    while True:
        message = read_message(await ws.recv())
        if isinstance(message, Ack):
            return message


def now_ms() -> int:
    """The sender's clock in these tests: the server runs on NOW."""
    return pictures.NOW // 1_000_000


def test_a_frame_survives_the_wire_with_unknown_numbers() -> None:
    frame = pictures.waiting()
    again = decode_frame(encode_frame(frame))
    assert math.isnan(again.snapshot.markets[0].mid) and math.isnan(again.snapshot.markets[0].half_spread)
    assert again.snapshot.markets[0].payout_yes is None
    assert encode_frame(again) == encode_frame(frame)
    assert decode_frame(encode_frame(pictures.three())) == pictures.three()


def _floats(kind: type[msgspec.Struct]) -> set[str]:
    """The fields of a picture's part that may be unknown numbers."""
    return {field.name for field in msgspec.structs.fields(kind) if field.type is float}


def test_no_unknown_number_anywhere_in_a_picture_makes_it_unreadable() -> None:
    frame = pictures.three()
    reference = ReferenceRow("btc/usd", None, math.nan, (), "no source")

    def unknown(row: Any) -> Any:
        return replace(row, **dict.fromkeys(_floats(type(row)), math.nan))

    shown = replace(
        frame.snapshot, references=(unknown(reference),), money=unknown(frame.snapshot.money),
        **{name: tuple(unknown(row) for row in getattr(frame.snapshot, name)) for name in ("markets", "orders", "fills", "feeds", "risk")},
    )  # fmt: skip
    named = replace(unknown(frame.card), profile='"mid":null')
    again = decode_frame(encode_frame(Frame(named, shown)))
    assert math.isnan(again.snapshot.references[0].apart_bps) and math.isnan(again.card.answer_ms)
    assert again.card.profile == named.profile and again.snapshot.references[0].price is None


def test_one_picture_after_another_is_decoded_as_each_alone_and_the_same_statistics_only_once() -> None:
    stats, later = (Stats(60, ("fills.n",), (StatsCell("m", 1, (n,)),), (), 0.0, 0, 0) for n in (1.0, 2.0))
    quoting, unknown = pictures.three(), pictures.waiting()
    named = replace(quoting, card=replace(quoting.card, profile=',"stats":{"stretch_s":1}'), stats=later)
    frames = [quoting, replace(quoting, stats=stats), replace(unknown, stats=stats), named, unknown]
    reader = Pictures()
    found = [reader.decode(encode_frame(frame)) for frame in frames]
    assert [encode_frame(one) for one in found] == [encode_frame(frame) for frame in frames]
    assert found[1].stats is found[2].stats
    with pytest.raises(msgspec.MsgspecError):
        reader.decode(encode_frame(named)[:-1] + b",}")


async def test_pictures_that_cannot_be_read_do_not_make_the_shown_one_young(tmp_path: Path) -> None:
    board, now = FakeBoard(pictures.quoting()), [100.0]
    async with serving(board, tmp_path / "desk.sock"):
        client = Client(tmp_path / "desk.sock", "console:test", monotonic=lambda: now[0])
        task = asyncio.create_task(client.run())
        await until(lambda: client.latest() is not None)
        board.now = replace(board.now, card=replace(board.now.card, pid="not a number"))
        await until(lambda: client.latest() is not None and client.malformed > 0)
        now[0] += 60
        await until(lambda: client.latest() is not None and client.malformed > 1)
        assert client.link().connected and client.link().age_s >= 60
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("raw", ["{}", "[]", "null", '{"card":1,"snapshot":2}', '{"card":{},"snapshot":{"markets":[null]}}', "x"])
def test_what_is_not_a_frame_is_refused_by_one_exception(raw: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_frame(raw)


@given(st.text() | st.binary())
def test_no_message_of_a_server_breaks_the_reader(raw: str | bytes) -> None:
    try:
        read_message(raw)
    except (msgspec.MsgspecError, UnicodeError):
        return


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (Request("1", "kill", {}, "t", 2_000, 10_000), ""),
        (Request("1", "kill", {}, "t", 2_000, 7_999), "stale"),
        (Request("1", "kill", {}, "t", 60_000, 7_000), "stale"),
        (Request("1", "kill", {}, "t", 500, 9_400), "stale"),
        (Request("1", "kill", {}, "t", 2_000, 12_001), "future"),
        (Request("1", "sell everything", {}, "t", 2_000, 10_000), "unknown command"),
        (Request("", "kill", {}, "t", 2_000, 10_000), "an id"),
        (Request("x" * 65, "kill", {}, "t", 2_000, 10_000), "an id"),
    ],
)
def test_a_request_is_refused_with_the_reason(request_: Request, why: str) -> None:
    said = refusal(request_, Nanos(10_000 * 1_000_000))
    assert (why in said) if why else said == ""


async def test_a_mailbox_keeps_the_newest_frame_and_every_answer() -> None:
    box = Mailbox()
    for number in range(5):
        box.put_frame(f"frame {number}")
    box.put_ack(Ack("a", True, "done"))
    assert await box.take() == ['{"ack":"a","ok":true,"text":"done"}', "frame 4"]
    assert box.dropped == 4
    for _ in range(ACKS_MAX + 1):
        box.put_ack(Ack("a", True, "done"))
    assert box.overrun and len(await box.take()) == ACKS_MAX


async def test_frames_arrive_and_the_newest_wins(path: Path) -> None:
    board = FakeBoard(pictures.quoting())
    async with serving(board, path), face(path) as client:
        await until(lambda: client.latest() is not None)
        first = client.latest()
        assert first is not None and first.card.profile == "run-007"
        await until(lambda: (client.latest() or first).snapshot.seq >= first.snapshot.seq + 5)
        assert client.link().connected and client.link().age_s < 20 and client.malformed == 0


async def test_the_picture_is_drawn_once_for_all_faces_and_never_for_none(path: Path) -> None:
    board = FakeBoard(pictures.quoting())
    async with serving(board, path) as api:
        await asyncio.sleep(0.05)
        assert board.frames == 0 and api.pushed == 0
        async with face(path) as one, face(path) as two:
            await until(lambda: api.faces == 2 and api.pushed > 20)
            assert board.frames <= api.pushed + 2
            assert one.latest() is not None and two.latest() is not None


async def test_a_command_reaches_the_board_with_its_actor(path: Path) -> None:
    board = FakeBoard(pictures.quoting())
    async with serving(board, path), face(path) as client:
        assert await client.command("pause", {"market": "m"}) == (True, "pause: done")
        assert await client.command("speed", {"speed": "10"}) == (False, "speed: no tape")
        assert board.taken == [("pause", {"market": "m"}, "console:test"), ("speed", {"speed": "10"}, "console:test")]


async def test_a_read_only_face_sees_and_cannot_act(path: Path) -> None:
    board = FakeBoard(pictures.quoting())
    async with serving(board, path), face(path, read_only=True) as client:
        await until(lambda: client.latest() is not None)
        for cmd in COMMANDS:
            assert await client.command(cmd, {}) == (False, "this connection is read-only")
        assert board.taken == []


async def test_a_stale_or_repeated_request_is_refused(path: Path) -> None:
    board = FakeBoard(pictures.quoting())
    api = Api(board, path, clock=lambda: pictures.NOW, hz=50)
    task = asyncio.create_task(api.serve())
    await until(lambda: api.listening)
    async with unix_connect(str(path), "ws://desk/ws") as ws:
        stale = await ask(ws, Request("a", "resume", {}, "t", 2_000, now_ms() - 2_001))
        assert not stale.ok and "stale" in stale.text
        fresh = Request("b", "resume", {}, "t", 2_000, now_ms())
        assert (await ask(ws, fresh)).ok
        again = await ask(ws, fresh)
        assert not again.ok and "repeated" in again.text
        await ws.send("not json")
        message = read_message(await ws.recv())
        while not isinstance(message, Ack):
            message = read_message(await ws.recv())
        assert not message.ok and "not a request" in message.text
    async with unix_connect(str(path), "ws://desk/ws") as ws:
        assert "repeated" in (await ask(ws, fresh)).text, "an id is spent for every connection"
    assert board.taken == [("resume", {}, "t")]
    api.stop()
    await task


async def test_a_slow_command_never_delays_a_kill(path: Path) -> None:
    gate = asyncio.Event()

    class Slow(FakeBoard):
        """Reloading waits for the test."""

        async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
            if cmd == "reload":
                await gate.wait()
            return await super().command(cmd, args, actor)

    board = Slow(pictures.quoting())
    async with serving(board, path), face(path) as client:
        reloading = asyncio.create_task(client.command("reload", {}))
        assert await client.command("kill", {"reason": "operator"}) == (True, "kill: done")
        assert not reloading.done()
        gate.set()
        assert (await reloading)[0]


async def test_a_face_that_never_reads_holds_up_nobody(path: Path) -> None:
    board = FakeBoard(pictures.three())
    async with serving(board, path, hz=1_000.0) as api:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: desk\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        reader._transport.pause_reading()  # type: ignore[attr-defined] # a terminal that has stopped
        async with face(path) as client:
            await until(lambda: api.faces == 2)
            await until(lambda: max(box.dropped for box in api._faces) > 50)
            seen = client.latest()
            assert seen is not None
            await until(lambda: (client.latest() or seen).snapshot.seq > seen.snapshot.seq + 20)
            assert (await client.command("kill", {}))[0]
        writer.transport.abort()
        await until(lambda: api.faces == 0)


async def test_a_face_reconnects_when_the_desk_returns_and_keeps_the_last_picture(path: Path) -> None:
    board = FakeBoard(pictures.quoting())
    client = Client(path, "t", jitter=lambda: 0.0)
    task = asyncio.create_task(client.run())
    await until(lambda: client.link().attempts >= 2)
    assert client.latest() is None and "not there" in client.link().why and client.link().age_s == math.inf
    ok, text = await client.command("kill", {})
    assert not ok and "NOT SENT" in text
    async with serving(board, path):
        await until(lambda: client.latest() is not None)
    await until(lambda: not client.link().connected)
    assert client.latest() is not None and client.link().why and not path.exists()
    assert client.link().ended, "a desk that stops in order says so"
    path.touch()
    await until(lambda: "its process is gone" in client.link().why)
    path.unlink()
    async with serving(board, path):
        await until(lambda: client.link().connected)
        assert (client.link().attempts, client.link().why) == (0, "")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_command_under_way_when_the_desk_dies_says_so(path: Path) -> None:
    class Silent(FakeBoard):
        """Never answers."""

        async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
            await asyncio.Event().wait()
            return True, ""

    api = Api(Silent(pictures.quoting()), path)
    task = asyncio.create_task(api.serve())
    await until(lambda: api.listening)
    async with face(path) as client:
        asked = asyncio.create_task(client.command("flatten", {}))
        await until(lambda: api.under_way == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        ok, text = await asked
        await until(lambda: not client.link().connected)
    assert not ok and "look whether it was done" in text


async def test_the_socket_is_its_owners_alone_and_is_taken_over_only_from_the_dead(path: Path) -> None:
    async with serving(FakeBoard(pictures.quoting()), path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with pytest.raises(SocketTaken, match="already answers"):
            listen(path)
    assert not path.exists()
    dead = listen(path)
    dead.close()
    assert path.exists(), "a desk that was killed leaves its socket behind"
    async with serving(FakeBoard(pictures.quoting()), path), face(path) as client:
        assert client.link().connected
    with pytest.raises(SocketTaken, match="longer than"):
        listen(path.parent / ("x" * 100))


async def test_watchers_never_take_the_places_of_who_may_act_nor_those_the_operators(path: Path) -> None:
    """64 dashboards that only look must not keep the owner's console out."""
    async with serving(FakeBoard(pictures.quoting()), path) as api, AsyncExitStack() as stack:
        for query, places in (("ro=1&ui=1", FACES_MAX - 2 * KEPT), ("ui=0", FACES_MAX - KEPT), ("ui=1", FACES_MAX)):
            while api.faces < places:
                ws = await unix_connect(str(path), f"ws://desk/ws?{query}", max_queue=1)
                stack.callback(ws.transport.abort)
                await ws.recv()
            async with unix_connect(str(path), f"ws://desk/ws?{query}") as ws:
                with pytest.raises(ConnectionClosed) as closed:
                    await ws.recv()
            assert closed.value.rcvd is not None and (closed.value.rcvd.code, closed.value.rcvd.reason[:2]) == (1013, str(places))
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as http:
                pause = msgspec.json.encode(Request(query, "pause", sent_ms=time.time_ns() // 1_000_000))
                done = await http.post("http://desk/api/commands", content=pause)
                assert done.status_code == 200, "a command needs no face's place"
        assert api.consoles == KEPT
    assert api.faces == 0


async def test_health_and_state_over_plain_http(path: Path) -> None:
    board = FakeBoard(pictures.killed())
    async with serving(board, path), httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as http:
        health = (await http.get("http://desk/health")).json()
        assert health["ok"] is False and health["phase"] == "killed" and health["mode"] == "PAPER"
        board.now = replace(board.now, snapshot=pictures.snapshot())
        assert (await http.get("http://desk/health")).json()["ok"] is True
        answer = await http.get("http://desk/api/state")
        assert decode_frame(answer.content).snapshot.money == pictures.money()
        assert json.loads(answer.content)["card"]["pid"] == 4_711
        assert (await http.get("http://desk/nothing")).status_code == 404


async def test_serving_leaves_the_signal_dispositions_alone(path: Path) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    async with serving(FakeBoard(pictures.quoting()), path):
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
