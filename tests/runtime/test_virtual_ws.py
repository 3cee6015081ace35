"""Sockets in virtual time: in order, closed with websockets' own exceptions, and good enough for the market feed's real shard."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from pmm_tui.core.events import Event
from pmm_tui.core.units import MILLI, SECOND, Nanos
from pmm_tui.exchange.fault_script import parse
from pmm_tui.exchange.faults import NEVER, Faults
from pmm_tui.exchange.terms import Answer, Ask, Frame
from pmm_tui.feeds import shard
from pmm_tui.feeds.fetch import Patience
from pmm_tui.feeds.sockets import Connect
from pmm_tui.runtime.virtual import InProcess, Network, clock, run
from pmm_tui.runtime.virtual_ws import FRAMES_MAX, Sockets

START = Nanos(1_780_000_000 * SECOND)
URL = "ws://venue/ws/market"


class Ticker:
    """A venue that answers PING and tells a count to every session that subscribed, once a second, with faults on the way."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.heard: list[tuple[int, str, str]] = []
        self.sessions: dict[int, bool] = {}
        self.count = 0
        self._opened = 0
        self._next = Nanos(START + SECOND)
        self._out: list[tuple[int, Frame]] = []

    def open(self, channel: str) -> int:
        self._opened += 1
        self.sessions[self._opened] = False
        return self._opened

    def hear(self, channel: str, session: int, raw: str, at: Nanos) -> None:
        self.heard.append((at - START, channel, raw))
        if raw == "PING":
            self._out.append((session, Frame(channel, "", "PONG", at)))
        else:
            self.sessions[session] = True

    def shut(self, channel: str, session: int) -> None:
        del self.sessions[session]

    def tell(self, raw: str, at: Nanos) -> None:
        """Something for every subscriber, through the faults."""
        for frame in self.faults.bend(Frame("market", "", raw, at), at):
            self._out.extend((session, frame) for session, subscribed in self.sessions.items() if subscribed)

    def frames(self, at: Nanos) -> list[tuple[int, Frame]]:
        due = sorted(((session, frame) for session, frame in self._out if frame.at <= at), key=lambda one: one[1].at)
        self._out = [(session, frame) for session, frame in self._out if frame.at > at]
        return due

    def due(self) -> Nanos:
        waiting = min((frame.at for _, frame in self._out), default=NEVER)
        return min(waiting, self._next) if self.sessions else waiting

    def advance(self, to: Nanos) -> None:
        while self._next <= to:
            self.count += 1
            self.tell(f'{{"event_type":"tick","count":{self.count}}}', self._next)
            self._next = Nanos(self._next + SECOND)


def sockets_of(ticker: Ticker, seed: int = 1, jitter_ms: float = 0.0) -> Sockets:
    return Sockets(ticker, Network(Random(seed), jitter_ms=jitter_ms), ticker.faults.judge)


def after_s() -> float:
    return (clock() - START) / SECOND


def go(work: Coroutine[Any, Any, None]) -> None:
    run(work, START)


def test_it_opens_as_the_user_channel_wants_its_sockets_opened() -> None:
    opens: Connect = sockets_of(Ticker()).connect

    async def talk() -> None:
        socket = await opens("ws://venue/ws/user", ping_interval=None, max_size=1 << 20, open_timeout=10.0, close_timeout=1.0)
        await socket.send("PING")
        assert await socket.recv() == "PONG"
        await socket.close()

    go(talk())


def test_messages_go_both_ways_and_take_their_time() -> None:
    ticker = Ticker()

    async def talk() -> None:
        wire = await sockets_of(ticker).connect(URL, ping_interval=None, max_size=4096, open_timeout=10, close_timeout=1)
        await wire.send('{"type":"market"}')
        await wire.send("PING")
        assert [await wire.recv(), await wire.recv(decode=False)] == ["PONG", b'{"event_type":"tick","count":1}']
        assert after_s() == 1.02

    go(talk())
    assert ticker.heard == [(60 * MILLI, "market", '{"type":"market"}'), (60_001_000, "market", "PING")]


def test_what_was_sent_first_arrives_first_whatever_the_jitter() -> None:
    ticker = Ticker()

    async def talk() -> None:
        sockets = sockets_of(ticker, jitter_ms=500)
        wire = await sockets.connect(URL)
        for number in range(50):
            await wire.send(f"s{number}")
        await asyncio.sleep(2)
        for number in range(50):
            ticker.tell(f"r{number}", clock())
            sockets.pump()
        got = [await wire.recv() for _ in range(52)]
        assert [raw for raw in got if str(raw).startswith("r")] == [f"r{number}" for number in range(50)]
        assert after_s() < 5

    go(talk())
    assert [raw for _, _, raw in ticker.heard] == [f"s{number}" for number in range(50)]


def test_a_normal_close_ends_the_iteration_and_is_known_to_the_exchange() -> None:
    ticker = Ticker()

    async def talk() -> None:
        wire = await sockets_of(ticker).connect(URL)
        await wire.send("subscribe")
        got = []
        async for raw in wire:
            got.append(raw)
            if len(got) == 3:
                await wire.close()
                await wire.close()
        assert len(got) == 3
        with pytest.raises(ConnectionClosedOK):
            await wire.recv()
        with pytest.raises(ConnectionClosedOK):
            await wire.send("more")
        assert ticker.sessions == {}

    go(talk())


def test_a_connection_cut_in_the_midst_of_a_frame() -> None:
    ticker = Ticker(Faults(parse([{"at": 3, "what": "drop_connection", "channel": "market", "times": 1}]), Random(1), START))

    async def talk() -> None:
        sockets = sockets_of(ticker)
        wire = await sockets.connect(URL)
        await wire.send("subscribe")
        assert [await wire.recv() for _ in range(2)] == [f'{{"event_type":"tick","count":{count}}}' for count in (1, 2)]
        with pytest.raises(ConnectionClosedError, match="no close frame"):
            await wire.recv()
        assert after_s() == pytest.approx(3.02)
        assert ticker.sessions == {}
        again = await sockets.connect(URL)
        await again.send("subscribe")
        assert await again.recv() == '{"event_type":"tick","count":4}'

    go(talk())


def test_a_frame_larger_than_allowed_closes_with_1009() -> None:
    script = parse([{"at": 0, "what": "giant_message", "bytes": 5_000_000, "times": 1}])
    ticker = Ticker(Faults(script, Random(1), START))

    async def talk() -> None:
        wire = await sockets_of(ticker).connect(URL, max_size=4_194_304)
        await wire.send("subscribe")
        with pytest.raises(ConnectionClosedError) as closed:
            await wire.recv()
        assert closed.value.sent is not None
        assert closed.value.sent.code == 1009

    go(talk())


def test_a_reader_that_is_too_slow_loses_the_connection() -> None:
    ticker = Ticker()

    async def talk() -> None:
        sockets = sockets_of(ticker)
        wire = await sockets.connect(URL)
        await wire.send("subscribe")
        await asyncio.sleep(0.5)
        for _ in range(FRAMES_MAX + 1):
            ticker.tell("x", clock())
        sockets.pump()
        await asyncio.sleep(1)
        for _ in range(FRAMES_MAX):
            assert await wire.recv() == "x"
        with pytest.raises(ConnectionClosedError):
            await wire.recv()

    go(talk())


def test_no_connection() -> None:
    script = [
        {"at": 0, "for": 1, "what": "refuse_upgrade", "status": 403},
        {"at": 1, "for": 1, "what": "drop_connection", "path": "/ws/market"},
    ]
    ticker = Ticker(Faults(parse(script), Random(1), START))

    async def talk() -> None:
        sockets = sockets_of(ticker)
        with pytest.raises(InvalidStatus) as refused:
            await sockets.connect(URL)
        assert refused.value.response.status_code == 403
        assert refused.value.response.headers["Retry-After"] == "1"
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await sockets.connect(URL)
        await asyncio.sleep(1)
        sockets.network.cut = "refused"
        with pytest.raises(ConnectionRefusedError):
            await sockets.connect(URL)
        sockets.network.cut = "silent"
        began = after_s()
        with pytest.raises(TimeoutError):
            await sockets.connect(URL, open_timeout=7)
        assert after_s() - began == pytest.approx(7)
        sockets.network.cut = ""
        wire = await sockets.connect(URL)
        sockets.snap()
        with pytest.raises(ConnectionClosedError):
            await wire.send("PING")

    go(talk())


def test_a_request_that_the_exchange_carried_out_is_told_at_once() -> None:
    """The pump is what the HTTP side calls after each request: the frame leaves long before the next due time."""
    ticker = Ticker()

    def answer(ask: Ask, at: Nanos) -> Answer:
        ticker.tell('{"event_type":"order"}', at)
        return Answer(200, b"{}")

    async def talk() -> None:
        sockets = sockets_of(ticker)
        wire = await sockets.connect(URL)
        await wire.send("subscribe")
        await asyncio.sleep(0.1)
        transport = InProcess(answer, sockets.network, after=sockets.pump)
        async with httpx.AsyncClient(transport=transport) as http:
            await http.post("http://venue/order")
        assert await wire.recv() == '{"event_type":"order"}'
        assert after_s() == pytest.approx(0.18)

    go(talk())


def test_the_market_feeds_shard_lives_on_it() -> None:
    """The real shard: it subscribes, pings, finds a freeze, and takes a new socket. An hour of it, at once, and twice the same."""
    script = [
        {"at": 600, "what": "drop_connection", "channel": "market", "times": 1},
        {"at": 1_200, "for": 300, "what": "html_error", "path": "/ws/", "status": 502},
        {"at": 1_200, "what": "drop_connection", "channel": "market", "times": 1},
    ]

    def hour() -> tuple[list[tuple[float, bool, str]], int, int]:
        ticker = Ticker(Faults(parse(script), Random(3), START))
        moves: list[tuple[float, bool, str]] = []
        ticks: list[bytes] = []
        heard: list[Event] = []

        async def moved(one: shard.Shard) -> None:
            moves.append((round(after_s(), 3), one.up, one.reason))

        def decode(raw: bytes, at: Nanos) -> tuple[list[Event], bool]:
            ticks.append(raw)
            return [], True

        async def watch() -> None:
            sockets = sockets_of(ticker, seed=3, jitter_ms=10)
            patience = Patience(0.25, 30, Random(3))
            one = shard.Shard(URL, shard.MarketWsKnobs(), clock, patience, asyncio.Lock(), decode, heard.extend, moved, sockets.connect)
            one.want("111", "222")
            life = asyncio.create_task(one.run())
            await asyncio.sleep(3_600)
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

        run(watch(), START)
        pings = sum(raw == "PING" for _, _, raw in ticker.heard)
        return moves, len(ticks), pings

    moves, ticks, pings = hour()
    ups = [at for at, up, _ in moves if up]
    assert [round(at) for at in ups[:2]] == [1, 601]
    assert 1_500 <= ups[2] < 1_540
    assert moves[1][2] == "connection lost: no close frame"
    assert any("refused with HTTP 502" in reason for _, _, reason in moves)
    assert 3_250 < ticks < 3_320
    assert 320 < pings < 340
    assert hour() == (moves, ticks, pings)
