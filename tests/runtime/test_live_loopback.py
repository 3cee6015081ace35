"""The production desk as a program, against the exchange as a program: it trades, ends with nothing resting, and survives being killed."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from eth_account import Account

from pmm_tui.core.units import SECOND
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.demo import PLACES
from pmm_tui.runtime.profile import packaged
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.port import Standing
from tests.runtime.scene import ROOT, Home, waited


class Stage:
    """An exchange, a wallet on it, and a profile for it."""

    def __init__(self, home: Home, port: int) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self.account = Account.create()
        lines = [line for line in (packaged() / "local-prod.yaml").read_text().splitlines() if line.split(":")[0] not in PLACES]
        lines += [f"{name}: {url.format(port=port)}" for name, url in PLACES.items()]
        text = "\n".join([*lines, "warm_up_s: 0.5"]).replace("quote_interval_s: 5", "quote_interval_s: 1")
        self.profile = home.profile(text, "local")
        self.env = {"POLYMARKET_PRIVATE_KEY": self.account.key.hex()}

    def desk(self, *words: str) -> subprocess.Popen[str]:
        """The desk, started."""
        return self.home.headless(self.profile, *words, env=self.env)

    def open_orders(self) -> list[Standing]:
        """What the exchange holds of this wallet, asked with the wallet's own key."""

        async def look() -> list[Standing]:
            clob = await client.make(Keys(self.account), self.url, chance=Random(1), clock=Clock())
            try:
                return await clob.open_orders()
            finally:
                await clob.close()

        return asyncio.run(look())

    def folder(self) -> Path:
        """The newest run's folder."""
        return max(self.home.logs.iterdir(), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    words = [sys.executable, "-m", "pmm_tui", "exchange", "--port", "0", "--tape", "demo", "--start-at", "900"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            yield Stage(Home(tmp_path), json.loads(child.stdout.readline())["port"])
        finally:
            child.terminate()


def ended(desk: subprocess.Popen[str]) -> int:
    """Its exit code, once it has ended."""
    desk.communicate(timeout=60)
    return desk.returncode


def test_it_trades_and_ends_with_nothing_resting(stage: Stage) -> None:
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        waited(lambda: (stage.folder() / "live_state_production.json").is_file())
        desk.send_signal(signal.SIGTERM)
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


def test_F59_killed_it_leaves_orders_and_the_next_start_takes_them_away(stage: Stage) -> None:
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        desk.kill()
        ended(desk)
    left = {order.id for order in stage.open_orders()}
    assert left, "nobody was there to cancel them, and the venue's own switch needs ten seconds"
    with stage.desk() as again:
        waited(lambda: bool(now := {order.id for order in stage.open_orders()}) and not now & left)
        again.send_signal(signal.SIGTERM)
        assert ended(again) == 0
    assert stage.open_orders() == []


def test_F66_one_wallet_one_desk(stage: Stage) -> None:
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        second = stage.home.call("--profile", stage.profile, "--no-ui", "--logs", stage.home.logs, env=stage.env)
        assert second.returncode == 2 and "one wallet, one desk" in second.stderr
        desk.send_signal(signal.SIGTERM)
        assert ended(desk) == 0


def test_F84_the_kill_file_leaves_nothing_at_the_exchange(stage: Stage) -> None:
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        (stage.folder() / "KILL").touch()
        waited(lambda: not stage.open_orders())
        desk.send_signal(signal.SIGTERM)
        assert ended(desk) == 3, "it ended killed"


def test_F67_a_lost_terminal_is_the_profiles_choice(stage: Stage) -> None:
    Path(stage.profile).write_text(Path(stage.profile).read_text() + "\non_hangup: keep\n")
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        desk.send_signal(signal.SIGHUP)
        waited(lambda: "the desk goes on" in (stage.folder() / "run.log").read_text())
        assert desk.poll() is None
        desk.send_signal(signal.SIGTERM)
        assert ended(desk) == 0


def test_a_preflight_passes_here(stage: Stage) -> None:
    checked = stage.home.call("preflight", "--profile", stage.profile, "--json", env=stage.env)
    told = json.loads(checked.stdout)
    assert {check["name"] for check in told["checks"] if not check["ok"]} <= {"kill switch"}, told
    assert stage.open_orders() == []
