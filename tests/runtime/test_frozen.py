"""An exchange that does not answer, before a desk is up and when it is to end: what its operator says is neither lost nor made to wait."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pmm_tui.core.units import SECOND
from pmm_tui.runtime.loop import END_S, LEAVE_S_MAX
from pmm_tui.runtime.virtual import clock
from tests.faults.scene import playing
from tests.runtime.live_stage import Stage, alive, waited
from tests.runtime.scene import Home, face, journaled, logged
from tests.venues.clob_stand import timeless

SAID = "no node of the chain is named"
"""The log's line right before the venue is asked for the first time."""


@pytest.fixture
def frozen(home: Home) -> Iterator[subprocess.Popen[str]]:
    """An exchange of its own, that a test may stop."""
    words = ("exchange", "--tape", "demo", "--port", "0", "--start-at", "900")
    with alive(home.start(*words)) as child:
        yield child


@pytest.fixture
def stage(frozen: "subprocess.Popen[str]", tmp_path: Path) -> Iterator[Stage]:
    """A wallet on it."""
    assert frozen.stdout is not None
    wallet = Stage(tmp_path, json.loads(frozen.stdout.readline())["port"])
    yield wallet
    wallet.close()


def opening(stage: Stage) -> bool:
    """Whether the desk waits for the venue, its window open."""
    logs = list(stage.home.logs.glob("*/run.log"))
    return bool(logs) and SAID in logs[0].read_text() and window(stage).is_socket()


def window(stage: Stage) -> Path:
    """The socket of the one run."""
    return Path(logged(stage.home.run_folder())[0]["socket"])


def by_signal(stage: Stage, desk: "subprocess.Popen[str]") -> str:
    """SIGUSR1."""
    desk.send_signal(signal.SIGUSR1)
    return "signal"


def by_file(stage: Stage, desk: "subprocess.Popen[str]") -> str:
    """The KILL file."""
    (stage.folder() / "KILL").touch()
    waited(lambda: not (stage.folder() / "KILL").exists())
    return "file"


def by_api(stage: Stage, desk: "subprocess.Popen[str]") -> str:
    """A console's key."""

    async def ask() -> None:
        async with face(window(stage)) as client:
            assert (await client.command("kill", {"reason": "drill"}))[0]

    asyncio.run(ask())
    return "console:test"


@pytest.mark.fault("F84")
@pytest.mark.parametrize("pull", [by_signal, by_file, by_api])
def test_a_kill_before_the_venue_answered_is_the_desks_first_fact(
    frozen: "subprocess.Popen[str]", stage: Stage, pull: "Callable[[Stage, subprocess.Popen[str]], str]"
) -> None:
    frozen.send_signal(signal.SIGSTOP)
    with stage.desk() as desk:
        waited(lambda: opening(stage))
        actor = pull(stage, desk)
        frozen.send_signal(signal.SIGCONT)
        waited(lambda: any(entry.get("event", {}).get("type") == "MarketListed" for entry in journaled(stage.folder())))
        desk.send_signal(signal.SIGTERM)
        desk.communicate(timeout=30)
        assert desk.returncode == 3, "it ended killed"
    entries = [entry for entry in journaled(stage.folder()) if "event" in entry]
    assert (entries[0]["event"]["type"], entries[0]["event"]["actor"]) == ("Killed", actor)
    assert not any(command["type"] == "Place" for entry in entries for command in entry["commands"])


@pytest.mark.fault("F67")
def test_a_desk_that_waits_for_the_venue_ends_when_it_is_told_to(frozen: "subprocess.Popen[str]", stage: Stage) -> None:
    frozen.send_signal(signal.SIGSTOP)
    with stage.desk() as desk:
        waited(lambda: opening(stage))
        desk.send_signal(signal.SIGUSR1)
        desk.send_signal(signal.SIGTERM)
        _, said = desk.communicate(timeout=30)
    assert desk.returncode == 3 and "Traceback" not in said and "Unclosed" not in said, said
    assert [entry["event"]["type"] for entry in journaled(stage.folder()) if "event" in entry] == ["Killed"], "it was not forgotten"


@pytest.mark.fault("F67")
@pytest.mark.parametrize("signals", [1, 2])
def test_a_venue_that_never_answers_does_not_hold_the_end_up(frozen: "subprocess.Popen[str]", stage: Stage, signals: int) -> None:
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        frozen.send_signal(signal.SIGSTOP)
        desk.send_signal(signal.SIGTERM)
        waited(lambda: "SIGTERM: the run ends" in (stage.folder() / "run.log").read_text())
        if signals == 2:
            desk.send_signal(signal.SIGTERM)
        _, said = desk.communicate(timeout=END_S + 4 if signals == 1 else END_S)
    assert desk.returncode == 3 and "orders not proven gone" in said and "Unclosed" not in said and "Traceback" not in said, said


@timeless
async def test_F67_proof_sweep_and_connections_share_one_deadline() -> None:
    async with playing() as scene:
        scene.apart = True
        scene.cause("cancel_lost", applied=0.0, lasts=60)
        began = clock()
        await scene.end()
        assert scene.engine.state.live, "nothing was proven"
        await scene.close()
        assert LEAVE_S_MAX * SECOND <= clock() - began <= END_S * SECOND
