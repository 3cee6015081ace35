"""Two desks behind one port: each under its own paths, lost and found again, and never shown as alive when it is not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect

from pmm_tui.api.faces import NoPicture
from pmm_tui.api.gate import Token
from pmm_tui.api.gateway import Gateway, Remote, behind
from pmm_tui.api.protocol import decode_frame
from pmm_tui.api.server import Door
from pmm_tui.core.snapshot import Frame
from pmm_tui.record.files import append_line
from pmm_tui.runtime.gatewaying import locator
from tests.api.scene import BEARER, SECRET, answer, asked, serving, until
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard
from tests.runtime.scene import Home


def desk(mode: str, run: str) -> FakeBoard:
    """A desk's board."""
    frame = pictures.quoting()
    return FakeBoard(replace(frame, card=replace(frame.card, mode=mode, run=run)))


@asynccontextmanager
async def gateway(paper: Path, prod: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The real gateway, and HTTP to it."""
    desks = [behind("paper", "", lambda _: paper), behind("prod", "/prod", lambda _: prod)]
    served = Gateway(desks, Door(0, Token(SECRET)))
    task = asyncio.create_task(served.serve())
    try:
        await until(lambda: served.listening or task.done())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}", headers=BEARER, timeout=20) as http:
            yield http
    finally:
        served.stop()
        await task


async def answering(http: httpx.AsyncClient, path: str, status: int) -> httpx.Response:
    """Ask until it answers so."""
    async with asyncio.timeout(20):
        while (said := await http.get(path)).status_code != status:
            await asyncio.sleep(0.02)
    return said


def state(answer: httpx.Response) -> Frame:
    """The picture in an answer."""
    return decode_frame(answer.content)


async def test_two_desks_each_under_its_own_paths(tmp_path: Path) -> None:
    paper, prod = tmp_path / "s" / "p.sock", tmp_path / "s" / "l.sock"
    boards = desk("PAPER", "paper-1"), desk("LIVE", "prod-1")
    folder = tmp_path / "run"
    folder.mkdir()
    append_line(folder / "trades_production.jsonl", {"trade": "t1"})
    async with serving(paper, boards[0]) as one, serving(prod, boards[1], folder=folder), gateway(paper, prod) as http:
        assert state(await answering(http, "/api/state", 200)).card.run == "paper-1"
        assert state(await answering(http, "/api/state/prod", 200)).card.run == "prod-1"
        assert state(await http.get("/api/state/prod")).snapshot.markets == boards[1].now.snapshot.markets
        assert (await http.get("/health/prod")).json()["mode"] == "LIVE"
        assert (await http.get("/api/trades/prod")).json() == {"trades": [{"trade": "t1"}]}
        assert (await http.get("/api/trades")).json() == {"error": "this desk keeps no records"}
        assert (await http.get("/api/journal/prod")).json() == {"error": "no journal.jsonl yet"}
        assert (await http.get("/api/markets/prod")).json()["markets"][0]["id"] == pictures.BTC
        assert (await http.get(f"/api/markets/{pictures.BTC}/prod")).json()["id"] == pictures.BTC
        assert "/api/state/prod" in (await http.get("/openapi.json")).json()["paths"]
        text = (await http.get("/metrics")).text
        assert 'pmm_up{desk="paper",run="paper-1"' in text and 'pmm_up{desk="prod",run="prod-1",profile="run-007",mode="LIVE"} 1' in text
        assert one.consoles == 0, "a gateway is no operator's console"
        assert (await http.get("/api/state", headers={"Authorization": ""})).status_code == 401


async def test_commands_reach_the_desk_that_is_named_in_the_name_of_who_asked(tmp_path: Path) -> None:
    paper, prod = tmp_path / "s" / "p.sock", tmp_path / "s" / "l.sock"
    boards = desk("PAPER", "paper-1"), desk("LIVE", "prod-1")
    now = time.time_ns
    async with serving(paper, boards[0], clock=now), serving(prod, boards[1], clock=now), gateway(paper, prod) as http:
        await answering(http, "/health/prod", 200)
        await answering(http, "/health", 200)

        def fresh(cmd: str, number: int) -> bytes:
            request = msgspec.json.decode(asked(cmd, number))
            return msgspec.json.encode(request | {"sent_ms": now() // 1_000_000})

        done = await http.post("/api/commands/prod", content=fresh("pause", 1))
        assert (done.status_code, done.json()["text"]) == (200, "pause: done")
        assert (await http.post("/api/commands", content=fresh("speed", 2))).status_code == 409
        assert (await http.post("/api/commands?ro=1", content=fresh("kill", 3))).status_code == 403

        def named(run: str, number: int) -> bytes:
            return msgspec.json.encode(msgspec.json.decode(fresh("ack", number)) | {"run": run})

        other = await http.post("/api/commands/prod", content=named("prod-2", 6))
        assert (other.status_code, other.json()["text"]) == (409, "meant for 'prod-2', and this is prod-1: nothing was done")
        assert (await http.post("/api/commands/prod", content=named("prod-1", 7))).status_code == 200
        uri = f"ws://127.0.0.1:{http.base_url.port}/ws/prod"
        async with connect(uri, additional_headers=BEARER) as ws:
            assert (await answer(ws, fresh("kill", 4))).text == "kill: done"
        async with connect(uri + "?ro=1", additional_headers=BEARER) as ws:
            assert (await answer(ws, fresh("kill", 5))).text == "this connection is read-only"
    assert boards[0].taken == [("speed", {}, "test")]
    assert boards[1].taken == [("pause", {}, "test"), ("ack", {}, "test"), ("kill", {}, "test")]


async def test_a_desk_that_is_lost_is_not_shown_and_is_found_again(tmp_path: Path) -> None:
    paper, prod = tmp_path / "s" / "p.sock", tmp_path / "s" / "l.sock"
    async with gateway(paper, prod) as http:
        assert "desk" in (await answering(http, "/api/state/prod", 503)).json()["error"]
        async with serving(prod, desk("LIVE", "prod-1")):
            await answering(http, "/api/state/prod", 200)
            async with connect(f"ws://127.0.0.1:{http.base_url.port}/ws/prod", additional_headers=BEARER) as ws:
                assert "prod-1" in str(await ws.recv())
        await answering(http, "/api/state/prod", 503)
        assert 'pmm_up{desk="prod"} 0' in (await http.get("/metrics")).text
        assert (await http.post("/api/commands/prod", content=b"{}")).status_code == 400
        async with serving(prod, desk("LIVE", "prod-2")):
            assert state(await answering(http, "/api/state/prod", 200)).card.run == "prod-2"
            assert (await http.get("/api/state")).status_code == 503, "the other desk is not there"


async def test_a_picture_of_a_desk_that_was_lost_this_moment_is_none(tmp_path: Path) -> None:
    path = tmp_path / "s" / "l.sock"
    remote = Remote("prod", lambda _: path, look_s=30.0)
    with pytest.raises(NoPicture, match="no prod desk runs"):
        remote.frame()
    staying = asyncio.create_task(remote.run())

    def shown() -> bool:
        try:
            return remote.frame().card.run == "prod-1"
        except NoPicture:
            return False

    async with serving(path, desk("LIVE", "prod-1")):
        await until(shown)
    await until(lambda: not shown())
    with pytest.raises(NoPicture, match="the prod desk is lost"):
        remote.frame()
    assert "NOT SENT" in (await remote.command("kill", {}, "test"))[1]
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)


async def test_another_desk_never_stands_in_for_the_one_that_was_found_first(tmp_path: Path) -> None:
    paper, prod = tmp_path / "s" / "p.sock", tmp_path / "s" / "l.sock"
    other, rehearsal = desk("LIVE", "other-1"), desk("LIVE", "prod-2")
    other.now = replace(other.now, card=replace(other.now.card, profile="other"))
    rehearsal.now = replace(rehearsal.now, card=replace(rehearsal.now.card, source="loopback"))
    clock = time.time_ns
    async with gateway(paper, prod) as http:
        async with serving(prod, desk("LIVE", "prod-1")):
            await answering(http, "/api/state/prod", 200)
        for wrong in (other, rehearsal):
            async with serving(prod, wrong, clock=clock):
                for path in ("/api/state/prod", "/api/trades/prod", "/health/prod"):
                    await told(http, path, f"{wrong.now.card.run} is no stand-in for it")
                request = msgspec.json.decode(asked("kill", 1)) | {"sent_ms": clock() // 1_000_000, "id": wrong.now.card.run}
                refused = await http.post("/api/commands/prod", content=msgspec.json.encode(request))
                assert refused.status_code == 409 and "NOT SENT" in refused.json()["text"]
            assert wrong.taken == []
        async with serving(prod, desk("LIVE", "prod-3")):
            assert state(await answering(http, "/api/state/prod", 200)).card.run == "prod-3", "the same desk, started anew"


async def told(http: httpx.AsyncClient, path: str, why: str, *before: int) -> None:
    """Ask until it is refused for this; `before`: other statuses that may come first."""
    async with asyncio.timeout(20):
        while why not in (said := await http.get(path)).text:
            assert said.status_code in (503, *before)
            await asyncio.sleep(0.02)


async def test_a_desk_that_hangs_is_not_shown_as_well_and_a_kill_still_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmm_tui.api.gateway.SILENT_S", 0.2)
    paper, prod = tmp_path / "s" / "p.sock", tmp_path / "s" / "l.sock"
    board = desk("LIVE", "prod-1")
    async with serving(prod, board, hz=0.01, clock=time.time_ns), gateway(paper, prod) as http:
        await told(http, "/health/prod", "the prod desk hangs: it has shown nothing for 0 s", 200)
        assert 'pmm_up{desk="prod"} 0' in (await http.get("/metrics")).text
        request = msgspec.json.decode(asked("kill")) | {"sent_ms": time.time_ns() // 1_000_000, "run": "prod-1"}
        assert (await http.post("/api/commands/prod", content=msgspec.json.encode(request))).status_code == 200
    assert board.taken == [("kill", {}, "test")]


async def test_the_newest_desk_of_a_mode_is_meant_where_none_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    monkeypatch.setattr("tempfile.tempdir", str(home.folder))  # where desks of others on this machine are not
    assert locator("", "PAPER")(None) is None and locator("paper-1", "PAPER")(None) is None
    folder = home.folder / "run" / "pmm-tui"
    old, young, live = desk("PAPER", "old"), desk("PAPER", "young"), desk("LIVE", "live")
    young.now = replace(young.now, card=replace(young.now.card, started=pictures.ago(5)))
    async with serving(folder / "old.sock", old), serving(folder / "young.sock", young), serving(folder / "live.sock", live):
        assert await asyncio.to_thread(locator("", "PAPER"), None) == folder / "young.sock"
        assert await asyncio.to_thread(locator("", "LIVE"), None) == folder / "live.sock"
        assert await asyncio.to_thread(locator("old", "PAPER"), None) == folder / "old.sock"
        assert await asyncio.to_thread(locator("nobody", "PAPER"), None) is None
        assert await asyncio.to_thread(locator("", "PAPER"), ("run-007", "PAPER")) == folder / "young.sock"
        assert await asyncio.to_thread(locator("", "PAPER"), ("other", "PAPER")) is None, "none but the one that was found first"
        assert await asyncio.to_thread(locator("live", "PAPER"), None) is None, "a name does not make it a paper desk"
        live.now = replace(live.now, card=replace(live.now.card, source="loopback"))
        assert await asyncio.to_thread(locator("", "LIVE"), None) is None, "a rehearsal is no real money"
        assert await asyncio.to_thread(locator("live", "LIVE"), None) == folder / "live.sock"
        assert await asyncio.to_thread(locator("live", "LIVE"), ("run-007", "LIVE")) is None


def test_the_command_serves_says_where_and_ends_on_a_signal(home: Home) -> None:
    with home.start("api", "--port", "0", env={"TMPDIR": str(home.folder)}) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url, _, token = line.partition("  the bearer token is in ")
        secret = Path(token.strip()).read_text().strip()
        answer = httpx.get(f"{url}/api/state/prod", headers={"Authorization": f"Bearer {secret}"})
        assert (answer.status_code, answer.json()) == (503, {"error": "no prod desk runs"})
        process.terminate()
        assert process.wait(20) == 0
    assert home.call("api", "everything").returncode == 2
