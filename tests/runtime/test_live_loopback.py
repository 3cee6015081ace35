"""The production desk as a program, against the exchange as a program: it trades, and ends with nothing resting."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pmm_tui.core.units import SECOND
from pmm_tui.runtime.demo import exchange
from tests.runtime.live_stage import Stage, ended, waited


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An exchange that plays the demo's tape from inside its first market."""
    with exchange("demo", 900.0) as listening:
        yield listening


@pytest.fixture
def stage(port: int, tmp_path: Path) -> Iterator[Stage]:
    wallet = Stage(tmp_path, port)
    yield wallet
    wallet.close()


def test_it_trades_and_ends_with_nothing_resting(stage: Stage) -> None:
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        waited(lambda: (stage.folder() / "live_state_production.json").is_file())
        assert ended(desk) == 0
    assert stage.open_orders() == []
    state = json.loads((stage.folder() / "live_state_production.json").read_bytes())
    assert {"gas_cost_usd", "latency_ms", "rejection_reason", "queue_position", "real_fee_bps"} <= state.keys()
    assert state["card"]["mode"] == "LIVE" and state["snapshot"]["orders_sent"] > 0
    assert state["latency_ms"]["samples"] > 0 and state["latency_ms"]["p50"] < 60 * SECOND / 1e6
    proof = stage.home.call("replay", stage.folder())
    assert proof.returncode == 0, proof.stdout + proof.stderr
    key = stage.account.key.hex().removeprefix("0x")
    assert not [path for path in stage.folder().iterdir() if key.encode() in path.read_bytes()], "no file holds the key"


def test_F66_one_wallet_one_desk(stage: Stage) -> None:
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        second = stage.home.call("--profile", stage.profile, "--no-ui", "--logs", stage.home.logs, env=stage.env)
        assert second.returncode == 2 and "one wallet, one desk" in second.stderr
        assert ended(desk) == 0


def test_F67_F84_a_lost_terminal_is_the_profiles_choice_and_the_kill_file_leaves_nothing_at_the_exchange(stage: Stage) -> None:
    Path(stage.profile).write_text(Path(stage.profile).read_text() + "\non_hangup: keep\n")
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        desk.send_signal(signal.SIGHUP)
        waited(lambda: "the desk goes on" in (stage.folder() / "run.log").read_text())
        assert desk.poll() is None
        (stage.folder() / "KILL").touch()
        waited(lambda: not stage.open_orders())
        assert ended(desk) == 3, "it ended killed"
