"""The exchange's servers misbehaving over real sockets: what a client sees of a dropped connection and a restart."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from pmm_tui.exchange import serve
from pmm_tui.exchange.serve import Servers
from tests.exchange.venue_scene import BUY, MARKET, VenueScene

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def exchange(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An exchange with the test's script of faults; its address."""
    script = tmp_path / "faults.yaml"
    script.write_text(request.param)
    words = [sys.executable, "-m", "pmm_tui", "exchange", "--port", "0", "--faults", str(script)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            yield f"http://127.0.0.1:{json.loads(child.stdout.readline())['port']}"
        finally:
            child.terminate()
            assert child.wait(20) == 0


@pytest.mark.parametrize("exchange", ["- {at: 0, what: restart, for: 60}\n"], indirect=True)
def test_F23_a_restart_answers_425_to_orders_and_nothing_else(exchange: str) -> None:
    assert httpx.post(f"{exchange}/order", json={}).status_code == 425
    assert httpx.get(f"{exchange}/time").status_code == 200


@pytest.mark.parametrize("exchange", ["- {at: 0, what: drop_connection, channel: rest, booked: false, for: 60}\n"], indirect=True)
def test_a_dropped_connection_is_no_answer_at_all(exchange: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{exchange}/time")


@pytest.mark.parametrize("exchange", [""], indirect=True)
def test_without_faults_it_answers(exchange: str) -> None:
    with httpx.Client(base_url=exchange) as http:
        assert http.get("/version").json() == {"version": 2}
        (market,) = http.get("/gamma/markets/keyset").json()["markets"]
        rows = http.get("/markets").json()
        assert [row["condition_id"] for row in rows["data"]] == [market["conditionId"]] and rows["next_cursor"] == "LTE="
        tokens = [{"token_id": token} for token in json.loads(market["clobTokenIds"])]
        middles = http.post("/midpoints", json=tokens).json()
        assert sum(float(value) for value in middles.values()) == pytest.approx(1.0)
        assert http.get("/data-api/positions", params={"user": "0x" + "0" * 40}).json() == []
        assert http.get("/api/geoblock").json()["blocked"] is False


@contextlib.asynccontextmanager
async def served(scene: VenueScene) -> AsyncIterator[str]:
    """A scene's venue on a loopback port with small buffers, in this loop; the address of its market channel."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    servers = Servers(scene.venue, lambda: scene.at)
    config = uvicorn.Config(servers.app, log_config=None, lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(servers.run()), asyncio.create_task(server.serve(sockets=[listening]))]
    try:
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}/ws/market"
    finally:
        server.should_exit = True
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_socket_that_does_not_read_is_closed_at_once_and_the_others_get_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "OUTBOX_MAX", 200)
    scene, gone = VenueScene(), asyncio.Event()
    ended = scene.venue.shut

    def shut(channel: str, number: int) -> None:
        ended(channel, number)
        gone.set()

    monkeypatch.setattr(scene.venue, "shut", shut)
    wish = json.dumps({"assets_ids": [MARKET.yes], "type": "market"})
    async with served(scene) as url:
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        narrow.connect(("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0])))
        plain: dict[str, Any] = {"compression": None, "ping_interval": None}
        async with connect(url, sock=narrow, max_queue=1, **plain) as slow, connect(url, **plain) as quick:
            for client in (slow, quick):
                await client.send(wish)
            assert json.loads(await quick.recv())[0]["event_type"] == "book"
            for _ in range(200):
                for cents in range(10, 40):
                    scene.act(BUY, cents, 5)
                scene.venue.advance(scene.at)
                await quick.send("PING")  # wakes the server, too
                heard = [await asyncio.wait_for(quick.recv(), 5) for _ in range(31)]
                assert heard[-1] == "PONG" and all("price_change" in str(raw) for raw in heard[:-1])
                if gone.is_set():
                    break
            assert gone.is_set()
            with pytest.raises(ConnectionClosedError) as closed:
                while True:
                    await asyncio.wait_for(slow.recv(), 5)
            assert closed.value.rcvd is None  # no close frame
            await quick.send("PING")
            assert await asyncio.wait_for(quick.recv(), 5) == "PONG"
