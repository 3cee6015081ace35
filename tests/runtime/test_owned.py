"""Desks that one command starts: all or none of them, each for itself once it runs, unharmed by the end of what started them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pmm_tui.runtime.demo import PLACES, exchange
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.profile import packaged
from pmm_tui.runtime.start import Options, Started, launch_all
from tests.runtime.live_stage import waited
from tests.runtime.scene import PROFILE, ROOT, Home, journaled, resting

SLOW = PROFILE.replace("speed: max", "speed: 30")
OWNER = """
import sys, time
from pathlib import Path
from pmm_tui.runtime import demo
from pmm_tui.runtime.start import Options, launch_all
child = demo.Child(["--tape", "demo", "--start-at", "900"])
profile = Path(sys.argv[2])
profile.write_text(profile.read_text().replace("PORT", str(child.port)))
desks = launch_all([Options(one, logs=Path(sys.argv[3])) for one in sys.argv[1:3]])
child.hand_over([desk.process.pid for desk in desks])
print(*(desk.process.pid for desk in desks), flush=True)
time.sleep(60)
"""
"""A console that starts a paper desk, and a production desk with its exchange."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An exchange that plays the demo's tape from inside its first market."""
    with exchange("demo", 900.0) as listening:
        yield listening


def local(home: Home, port: object) -> str:
    """A profile of the production desk on this exchange, with a throw-away key of its own."""
    told = {"warm_up_s": 0, "quote_interval_s": 0.5} | {name: url.format(port=port) for name, url in PLACES.items()}
    lines = [line for line in (packaged() / "local-prod.yaml").read_text().splitlines() if line.split(":")[0] not in told]
    return home.profile("\n".join([*lines, *(f"{name}: {value}" for name, value in told.items())]), "local")


def sent(desk: Started) -> int:
    """Orders that its journal says were placed."""
    journal = desk.folder / "journal.jsonl"
    if not journal.exists():
        return 0
    return sum(command["type"] == "Place" for entry in journaled(desk.folder) for command in entry.get("commands", ()))


def gone(pid: int) -> bool:
    """Whether no such process runs any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def journals(home: Home, profile: str) -> list[Path]:
    """The folders of a profile's runs."""
    return sorted(home.logs.glob(f"{Path(profile).stem}-*")) if home.logs.exists() else []


def test_the_flag_for_real_money_needs_a_desk_that_is_live(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    paper = home.profile(SLOW)
    with pytest.raises(CannotStart, match="--live was given, but mode is paper"):
        launch_all([Options(paper, logs=home.logs, live=True), Options(paper, logs=home.logs, live=True)])


@pytest.mark.parametrize("killed", [0, 1], ids=["paper", "production"])
def test_one_dying_never_touches_the_other(home: Home, port: int, monkeypatch: pytest.MonkeyPatch, killed: int) -> None:
    home.enter(monkeypatch)
    both = (home.profile(SLOW), local(home, port))
    desks = launch_all([Options(one, logs=home.logs, live=True, confirm="beef") for one in both])
    try:
        waited(lambda: all(sent(desk) > 0 for desk in desks))
        desks[killed].process.kill()
        assert desks[killed].ended(10)
        left = desks[1 - killed]
        before = sent(left)
        waited(lambda: sent(left) > before)
        assert left.process.poll() is None
        assert left.end() and left.process.returncode == 0
    finally:
        for desk in desks:
            desk.process.kill()
            desk.ended(10)


def test_no_desk_starts_before_every_yes_was_said(home: Home, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    real = home.profile((packaged() / "prod-001.yaml").read_text(), "real")
    monkeypatch.setenv("POLYMARKET_PRIVATE_KEY", "33" * 32)
    with pytest.raises(CannotStart, match="no preflight of this profile and wallet passed today"):
        launch_all([Options(one, logs=home.logs, live=True) for one in (local(home, port), real)])
    assert not home.logs.exists(), "not even a folder"


def test_a_desk_is_not_left_trading_where_the_other_did_not_start(home: Home, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    prod, broken = local(home, port), home.profile(SLOW + f"api_socket: {home.folder}/local.yaml/one.sock\n", "broken")
    with pytest.raises(CannotStart, match=r"the desk did not start: (?s:.*); local-\S+ had started, and was ended again"):
        launch_all([Options(one, logs=home.logs) for one in (prod, broken)])
    (folder,) = journals(home, prod)
    assert "SIGTERM: the run ends" in (folder / "run.log").read_text()
    assert not resting(journaled(folder)) and (folder / "summary.json").is_file()


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def started_by(home: Home) -> "subprocess.Popen[str]":
    """The console above."""
    words = [sys.executable, "-c", OWNER, home.profile(SLOW), local(home, "PORT"), str(home.logs)]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PMM_")}
    return subprocess.Popen(words, env=plain | home.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def end_all(pids: list[int]) -> None:
    """Whatever is left of them."""
    for pid in pids:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_console_that_is_killed_leaves_its_desks_and_their_exchange_unharmed(home: Home) -> None:
    with started_by(home) as owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        children = children_of(owner.pid)
        assert len(pids) == 2 and set(pids) < set(children) and len(children) == 3, "two desks and their exchange"
        owner.kill()
    try:
        folders = list(home.logs.iterdir())
        before = [len(journaled(folder)) for folder in folders]
        waited(lambda: all(len(journaled(folder)) > count + 20 for folder, count in zip(folders, before, strict=True)))
        assert not any(map(gone, children))
        os.kill(pids[0], signal.SIGTERM)
        waited(lambda: gone(pids[0]))
        assert not gone(pids[1]) and all(not gone(pid) for pid in children if pid not in pids), "the exchange has a desk left"
        os.kill(pids[1], signal.SIGTERM)
        waited(lambda: all(map(gone, children)))
    finally:
        end_all(children)
    for folder in folders:
        assert not resting(journaled(folder)) and json.loads((folder / "summary.json").read_bytes())


def test_a_console_that_is_killed_while_it_starts_leaves_nothing_behind(home: Home) -> None:
    children: list[int] = []
    with started_by(home) as owner:
        waited(lambda: len(children_of(owner.pid)) == 2)  # the exchange, and the first desk
        waited(lambda: any(home.logs.glob("*/run.log")))
        children += children_of(owner.pid)
        owner.kill()
    try:
        waited(lambda: all(map(gone, children)))
    finally:
        end_all(children)


def killed_while_quoting(home: Home, profile: str, runs: int) -> str:
    """The account of a desk that was started, quoted, and was killed; `runs`: how many there are by then."""
    with home.headless(profile) as desk:
        try:
            waited(lambda: len(journals(home, profile)) == runs)
            folder = journals(home, profile)[-1]
            waited(lambda: (folder / "live_state_production.json").exists() and bool(resting(journaled(folder))))
            return str(json.loads((folder / "live_state_production.json").read_bytes())["card"]["account"])
        finally:
            desk.kill()
            desk.communicate()


def test_killed_and_started_again_a_desk_without_a_key_finds_what_it_left(home: Home, port: int) -> None:
    prod = local(home, port)
    assert killed_while_quoting(home, prod, 1) == killed_while_quoting(home, prod, 2)
    first, second = journals(home, prod)
    assert resting(journaled(first)), "it left orders"
    assert "EXTERNAL" not in (second / "run.log").read_text(), "and they were taken away before the first new one"


def test_desks_that_are_measured_end_with_a_bench_that_is_told_to(home: Home) -> None:
    with home.start("bench", "--ui", "--minutes", "1") as bench:
        run = home.folder / "run"
        waited(lambda: len(list(run.rglob("demo-*.sock"))) == 2)
        bench.terminate()
        bench.communicate(timeout=60)
    assert bench.returncode != 0 and not list(run.rglob("*.sock")), "a desk that ends in order leaves no socket"
