"""An operator's commands, sent by the real client over the real socket to a running desk."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pmm_tui.api.client import Client
from pmm_tui.core.commands import Command
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event
from pmm_tui.core.instructions import Paused
from pmm_tui.core.snapshot import Snapshot
from pmm_tui.runtime.board import DeskBoard
from pmm_tui.runtime.consent import Check, keep_preflight, unproven
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.pace import Pace
from pmm_tui.runtime.profile import load, packaged
from tests.runtime.desks import desk_in, proven
from tests.runtime.scene import PROFILE, Home, face, journaled, logged, picture, running, until

WALLET = "0x" + "be" * 20
SLOW = PROFILE.replace("speed: max", "speed: 300") + "markets: btc-updown-15m-1790586000\n"


async def seen(client: Client, true: Callable[[Snapshot], bool]) -> Snapshot:
    """Wait for a picture that shows it."""
    await until(lambda: true(picture(client).snapshot))
    return picture(client).snapshot


def quoting(snapshot: Snapshot) -> bool:
    """A quote rests."""
    return any(order.status == "OPEN" for order in snapshot.orders)


def instructions(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The journal's events of one kind that an operator caused."""
    return [entry["event"] for entry in journaled(folder) if entry.get("event", {}).get("type") == kind]


@pytest.fixture
def slow(home: Home, monkeypatch: pytest.MonkeyPatch) -> str:
    """A profile that plays the demo's tape at 300 times real time."""
    home.enter(monkeypatch)
    return home.profile(SLOW)


async def test_pause_and_resume_one_market_and_all(home: Home, slow: str) -> None:
    async with running(home, slow) as (run, task), face(run.socket) as client:
        market = (await seen(client, quoting)).markets[0].id
        assert await client.command("pause", {"market": market}) == (True, "pausing btc-updown-15m-1790586000: quotes are pulled")
        shown = await seen(client, lambda snapshot: not snapshot.orders)
        assert shown.markets[0].state == "paused" and shown.phase == "running"
        assert (await client.command("resume", {"market": market}))[0]
        await seen(client, quoting)
        assert await client.command("pause", {}) == (True, "pausing all markets: quotes are pulled")
        await seen(client, lambda snapshot: snapshot.phase == "paused" and not snapshot.orders)
        assert (await client.command("resume", {}))[0]
        await seen(client, quoting)
        assert await client.command("pause", {"market": "0xnone"}) == (False, "no such market: 0xnone")
        assert await client.command("stop", {}) == (True, "stopping: quotes are pulled, then the run ends")
        async with asyncio.timeout(30):
            assert await task == 0
    assert [(one["actor"], one["market"]) for one in instructions(run.folder, "Resumed")] == [
        ("console:test", market),
        ("console:test", ""),
    ]


async def test_flatten_sells_what_is_held(home: Home, slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMM_FILL_PROBABILITY", "1.0")
    monkeypatch.setenv("PMM_SETTLEMENT_LATENCY_MS", "0")
    async with running(home, slow) as (run, task), face(run.socket) as client:
        held = await seen(client, lambda snapshot: any(abs(row.yes - row.no) >= 5_000_000 for row in snapshot.markets))
        market = held.markets[0].id
        assert (await client.command("flatten", {"market": market}))[0]
        await seen(client, lambda snapshot: any("flatten ended" in note.text for note in snapshot.notes))
        after = picture(client).snapshot.markets[0]
        assert abs(after.yes - after.no) < 5_000_000
        assert after.state in ("paused", "resolved")
        await client.command("stop", {})
        async with asyncio.timeout(30):
            await task


async def test_a_kill_latches_until_it_is_reset_with_a_reason(home: Home, slow: str) -> None:
    async with running(home, slow) as (run, task), face(run.socket) as client:
        await seen(client, quoting)
        assert await client.command("kill_reset", {"reason": "why not"}) == (
            False,
            "the kill switch is ok: only a verified kill can be reset",
        )
        assert (await client.command("kill", {"reason": "drill", "market": "0xnone"}))[0], "a kill takes no detour"
        shown = await seen(client, lambda snapshot: snapshot.phase == "killed")
        assert not shown.orders and shown.why == "console:test: drill"
        assert await client.command("resume", {}) == (False, "the kill switch is tripped: reset it first")
        assert await client.command("kill_reset", {"reason": " "}) == (False, "a reset needs a reason")
        assert await client.command("kill_reset", {"reason": "drill is over"}) == (True, "kill switch reset")
        await seen(client, quoting)
        assert (await client.command("kill", {}))[0]
        await seen(client, lambda snapshot: snapshot.phase == "killed")
        await client.command("stop", {})
        async with asyncio.timeout(30):
            assert await task == 3, "a run that ends killed says so"


async def test_reload_shows_then_applies_what_is_safe(home: Home, slow: str) -> None:
    async with running(home, slow) as (run, task), face(run.socket) as client:
        await seen(client, quoting)
        assert await client.command("reload", {"apply": True}) == (True, "the profile has not changed")
        home.profile(SLOW.replace("quote_interval_s: 1", "quote_interval_s: 3") + "initial_balance: 900\nlevels: 3\n")
        changes = ["initial_balance: 500.0 -> 900.0 (needs a restart)", "levels: 2 -> 3", "quote_interval_s: 1.0 -> 3.0"]
        ok, text = await client.command("reload", {})
        assert ok and sorted(text.splitlines()) == changes
        assert run.desk.engine.state.knobs.maker.levels == 2, "asking changes nothing"
        ok, text = await client.command("reload", {"apply": True})
        assert ok and text.splitlines()[0] == "2 of 3 changes applied"
        await until(lambda: run.desk.engine.state.knobs.maker.levels == 3)
        assert run.desk.engine.state.knobs.desk.quote_interval_s == 3
        assert run.desk.engine.state.portfolio.initial == 500_000_000
        assert await client.command("reload", {}) == (True, changes[0]), "what was not applied is still to be seen"
        home.profile(SLOW + "levels: many\n")
        ok, text = await client.command("reload", {"apply": True})
        assert not ok and "small.yaml:9: levels: found 'many'" in text
        run.stop.set()
        async with asyncio.timeout(30):
            assert await task == 0
    assert [one["changes"] for one in instructions(run.folder, "Retuned")] == [{"levels": 3, "quote_interval_s": 3.0}]


async def test_speed_of_a_tape(home: Home, slow: str) -> None:
    async with running(home, slow, speed="0.5") as (run, task), face(run.socket) as client:
        assert picture(client).card.speed == "0.5"
        assert await client.command("speed", {"speed": "fast"}) == (
            False,
            "speed: found 'fast'; allowed: a number from above 0 to 100000, or max",
        )
        assert await client.command("speed", {"speed": 10}) == (True, "speed 10")
        await until(lambda: picture(client).card.speed == "10")
        assert await client.command("speed", {"speed": "max"}) == (True, "speed max")
        async with asyncio.timeout(30):
            assert await task == 0, "a tape that would have taken hours"


async def test_a_kill_reaches_a_desk_that_waits_for_a_slow_tape(home: Home, slow: str) -> None:
    async with running(home, slow) as (run, task), face(run.socket) as client:
        await seen(client, quoting)
        await client.command("speed", {"speed": "0.001"})
        before = run.desk.engine.state.now
        await client.command("kill", {})
        await until(lambda: run.desk.engine.state.kill.phase != "ok")
        assert run.desk.engine.state.now - before <= 1_000_000_000
        run.stop.set()
        async with asyncio.timeout(30):
            assert await task == 3


async def test_the_kill_file_is_taken(home: Home, slow: str) -> None:
    async with running(home, slow) as (run, _):
        await until(lambda: bool(run.desk.engine.state.live))
        (run.folder / "KILL").touch()
        await until(lambda: run.desk.engine.state.kill.phase == "killed")
        assert not (run.folder / "KILL").exists()
    assert run.code == 3
    assert instructions(run.folder, "Killed")[0]["actor"] == "file"


async def test_a_broken_desk_takes_only_what_lowers_risk(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run")
    taken: list[Any] = []
    stop = asyncio.Event()
    board = DeskBoard(desk, load("demo"), taken.append, stop, Pace(1.0))
    desk.fail("the disk", OSError("gone"))
    refused = (False, "this desk is broken, start another: the disk failed: OSError: gone")
    for cmd in ("resume", "flatten", "kill_reset"):
        assert await board.command(cmd, {"reason": "please"}, "cli") == refused
    assert not taken
    for cmd in ("pause", "kill"):
        assert (await board.command(cmd, {}, ""))[0]
    assert [(type(one).__name__, one.actor, one.at) for one in taken] == [("Paused", "api", NOT_YET), ("Killed", "api", NOT_YET)]
    assert await board.command("sing", {}, "cli") == refused
    assert (await board.command("stop", {}, "cli"))[0] and stop.is_set()


async def test_a_drowned_desk_says_so(tmp_path: Path) -> None:
    def full(_: Any) -> None:
        raise asyncio.QueueFull

    board = DeskBoard(desk_in(tmp_path / "run"), load("demo"), full, asyncio.Event(), None)
    assert await board.command("pause", {}, "cli") == (False, "too many instructions are waiting; a kill always passes")
    assert await board.command("speed", {"speed": "10"}, "cli") == (False, "live data has one speed")
    assert await board.command("sing", {}, "cli") == (False, "unknown command sing")


async def test_a_picture_is_drawn_at_most_ten_times_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000_000]
    monkeypatch.setattr("pmm_tui.runtime.board.time.monotonic_ns", lambda: now[0])
    board = DeskBoard(desk_in(tmp_path / "run"), load("demo"), lambda _: None, asyncio.Event(), None)
    first = board.frame()
    now[0] += 90_000_000
    assert board.frame() is first
    now[0] += 10_000_000
    assert board.frame() is not first


async def test_F72_an_api_that_breaks_halts_the_run(home: Home, slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: DeskBoard) -> None:
        raise RuntimeError("no picture")

    async with running(home, slow) as (run, task), face(run.socket) as client:
        await seen(client, quoting)
        monkeypatch.setattr(DeskBoard, "frame", broken)
        async with asyncio.timeout(30):
            assert await task == 3
    assert not run.matching.resting() and run.desk.engine.state.kill.phase == "killed"
    assert proven(run.folder).recorded_digest, "the engine is whole, and so is its journal"
    assert any(line["event"] == "the api failed" and "no picture" in line["why"] for line in logged(run.folder))


async def test_F72_a_picture_that_breaks_ends_the_run_without_a_traceback(home: Home, slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(home, slow) as (run, task):
        await until(lambda: bool(run.desk.engine.state.live))
        monkeypatch.setattr(run.desk, "frame", lambda: 1 / 0)
        async with asyncio.timeout(30):
            assert await task == 3
    failed = [line["event"] for line in logged(run.folder) if line["level"] == "critical"]
    assert failed == ["the desk's loop failed", "the records' end failed"]
    assert proven(run.folder).holds


async def test_a_defect_of_the_engine_ends_the_run_as_broken(home: Home, slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Engine.step

    def broken(engine: Engine, event: Event) -> list[Command]:
        if isinstance(event, Paused):
            raise ZeroDivisionError("a defect")
        return step(engine, event)

    async with running(home, slow) as (run, task), face(run.socket) as client:
        await seen(client, quoting)
        monkeypatch.setattr(Engine, "step", broken)
        assert (await client.command("pause", {}))[0]
        async with asyncio.timeout(30):
            assert await task == 3
        monkeypatch.undo()
    failed = next(line for line in logged(run.folder) if line["level"] == "critical")
    assert (failed["event"], failed["why"]) == ("the desk's loop failed", "ZeroDivisionError: a defect")
    assert journaled(run.folder)[-1]["event"]["type"] == "Paused", "the fact that broke it is the last of the journal"
    assert not (run.folder / "summary.json").exists(), "no number of a broken state is told"


def live_board(folder: Path, name: str) -> tuple[DeskBoard, list[Any]]:
    """The board of a desk with a profile of mode live, and what it hands on."""
    taken: list[Any] = []
    profile = load(name)
    return DeskBoard(desk_in(folder), profile, taken.append, asyncio.Event(), None, None, unproven(profile, WALLET)), taken


WIDER = "default_order_size: 5.0 -> 15.0"


async def test_a_live_desk_is_widened_only_by_what_was_typed_and_proven_today(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    text = (packaged() / "prod-001.yaml").read_text()
    path = home.profile(text, "real")
    keep_preflight(load(path), WALLET, [Check("balance", True, "$25")])
    board, taken = live_board(home.folder / "run", path)
    home.profile(text.replace("default_order_size: 5 ", "default_order_size: 15 "), "real")
    assert await board.command("reload", {}, "cli") == (True, WIDER)
    for typed in ("", "APPLY LIVE"):
        ok, said = await board.command("reload", {"apply": True, "typed": typed}, "cli")
        assert not ok and "Stop the desk, then: pmm-tui preflight --profile real, and start it again" in said
        assert "the profile has changed since the last one" in said and said.endswith(WIDER)
    keep_preflight(load(path), WALLET, [Check("balance", True, "$25")])
    ok, said = await board.command("reload", {"apply": True, "typed": "apply"}, "cli")
    assert not ok and "APPLY LIVE was to be typed" in said and not taken
    assert await board.command("reload", {"apply": True, "typed": "APPLY LIVE"}, "cli") == (True, f"1 of 1 changes applied\n{WIDER}")
    assert taken[-1].changes == {"default_order_size": 15.0}
    home.profile(text, "real")
    assert (await board.command("reload", {"apply": True}, "cli"))[0], "what is tighter needs no word"
    assert taken[-1].changes == {"default_order_size": 5.0}


async def test_from_paper_to_live_only_behind_a_preflight_of_today(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    path = home.profile((packaged() / "prod-001.yaml").read_text(), "real")
    board, taken = live_board(home.folder / "run", path)
    ok, said = await board.command("resume", {"market": "", "from_paper": True}, "cli")
    assert not ok and "none was run" in said and "pmm-tui preflight --profile real" in said and not taken
    keep_preflight(load(path), WALLET, [Check("balance", True, "$25")])
    assert (await board.command("resume", {"market": "", "from_paper": True}, "cli"))[0] and len(taken) == 1


async def test_a_rehearsal_asks_for_the_same_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    text = (packaged() / "local-prod.yaml").read_text()
    path = home.profile(text, "local")
    board, taken = live_board(home.folder / "run", path)
    home.profile(text.replace("default_order_size: 5 ", "default_order_size: 15 "), "local")
    ok, said = await board.command("reload", {"apply": True}, "cli")
    assert not ok and "APPLY LIVE was to be typed" in said and not taken
    assert (await board.command("reload", {"apply": True, "typed": "APPLY LIVE"}, "cli"))[0] and len(taken) == 1
