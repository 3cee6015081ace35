"""One engine with its records: written before it is acted upon, and halted where it cannot be written."""

import json
import logging
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmm_tui.core.commands import CancelAll, Command, Place
from pmm_tui.core.events import AccountSeen, Event, FillSettled, MarketListed, OrderFilled, Ticked
from pmm_tui.core.instructions import Killed, KillReset, Paused, Retuned
from pmm_tui.core.units import Cash, Size
from pmm_tui.record.journal import read
from pmm_tui.runtime import logs
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.logs import JsonLines, Sink, end_logs
from tests.core.desk import MARKET, at, book, places
from tests.runtime.desks import desk_in, proven
from tests.runtime.scene import PROFILE, ROOT, Home, cut_tape, journaled, logged


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """No run's log outlives its test."""
    yield
    end_logs()


def tell(desk: Desk, *events: Event) -> list[Command]:
    """What is asked for in answer to facts."""
    return [command for event in events for command in desk.step(event)]


def quoting(desk: Desk) -> list[Place]:
    """A market with a book; the orders that are placed in it."""
    return places(tell(desk, MarketListed(at(0), MARKET), book(1, "47x500 | 53x500"), Ticked(at(100))))


def fill(place: Place, ms: int, trade: str = "t1") -> OrderFilled:
    """A part of an order traded."""
    return OrderFilled(at(ms), place.order, trade, place.price, Size(place.size // 2), Cash(0))


def full_from_now_on(desk: Desk) -> None:
    """Put a full device in place of the journal's file."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, desk.journal.fileno())
    os.close(full)


def test_what_was_answered_is_in_the_journal_before_it_is_returned(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run")
    asked = quoting(desk)
    assert len(asked) == 2
    written = journaled(tmp_path / "run")
    assert [command["order"] for entry in written for command in entry.get("commands", ()) if command["type"] == "Place"] == [1, 2]
    desk.close()
    assert proven(tmp_path / "run").recorded_digest == desk.engine.digest()


def test_a_fill_has_one_line_however_often_it_is_told_and_one_more_when_it_fails(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run")
    bid = quoting(desk)[0]
    tell(desk, fill(bid, 200), fill(bid, 200), fill(bid, 300), fill(bid, 300, "t2"))
    tell(
        desk,
        FillSettled(at(400), "t1", bid.order, False),
        FillSettled(at(500), "t1", bid.order, False),
        FillSettled(at(500), "t2", bid.order, True),
    )
    lines = [json.loads(line) for line in (tmp_path / "run" / "trades.jsonl").read_text().splitlines()]
    assert [(one["trade"], one["status"]) for one in lines] == [("t1", "MATCHED"), ("t2", "MATCHED"), ("t1", "FAILED")]
    assert all(one["size"] == bid.size // 2 and one["side"] == "BUY" for one in lines)


def test_the_log_has_every_note_once_and_in_order(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run")
    quoting(desk)
    tell(desk, Paused(at(150), "operator"), Killed(at(160), "operator", "enough"))
    said = [line["event"] for line in logged(tmp_path / "run")]
    assert said == ["test-market listed", "operator paused the desk", "KILL: operator: enough", "killed: operator: enough"]
    assert [line["level"] for line in logged(tmp_path / "run")] == ["info", "warning", "error", "error"]


def test_live_state_is_the_frame_and_is_replaced_whole(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run")
    quoting(desk)
    desk.tape_position = 0.25
    desk.close()
    state = json.loads((tmp_path / "run" / "live_state.json").read_text())
    assert state["card"]["tape_position"] == 0.25
    assert state["card"]["engine_p99_us"] > 0
    assert [order["status"] for order in state["snapshot"]["orders"]] == ["SENT", "SENT"]
    assert not list((tmp_path / "run").glob(".*")), "no draft is left behind"


def test_F61_a_full_disk_halts_before_anything_of_that_step_leaves(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run", ballast_mib=0)
    tell(desk, MarketListed(at(0), MARKET))
    full_from_now_on(desk)
    asked = tell(desk, book(1, "47x500 | 53x500"), Ticked(at(100)))
    assert not places(asked) and CancelAll() in asked
    assert desk.busy == desk.frame().card.busy
    assert desk.busy.startswith("records cannot be written, trading is halted: ") and "No space left on device" in desk.busy
    assert desk.engine.state.kill.stopped and "No space left" in desk.frame().snapshot.why
    assert [line["level"] for line in logged(tmp_path / "run") if "trading is halted" in line["event"]] == ["critical"], "said once"
    later = tell(desk, *[book(1_000 + n, f"46x{500 + n} | 54x500") for n in range(20)], Ticked(at(2_000)))
    assert not places(later)
    desk.close()
    assert not proven(tmp_path / "run").recorded_digest, "nobody vouches for steps that are not written down"
    assert proven(tmp_path / "run").holds


def test_a_small_file_that_cannot_be_written_halts_too_and_the_halt_is_in_the_journal(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run")
    bid = quoting(desk)[0]
    (tmp_path / "run" / "trades.jsonl").mkdir()
    asked = tell(desk, fill(bid, 200))
    assert CancelAll() in asked and not places(asked)
    assert "Is a directory" in desk.busy
    desk.close()
    *_, killed = read(tmp_path / "run")
    assert isinstance(killed.event, Killed) and killed.event.actor == "desk" and CancelAll() in killed.commands
    assert proven(tmp_path / "run").recorded_digest, "the journal is whole"


def test_a_fact_that_cannot_be_written_down_is_a_defect(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run")
    quoting(desk)
    with pytest.raises(ValueError, match="not finite"):
        desk.step(Retuned(at(200), "operator", {"max_position_size": float("inf")}))
    assert desk.dead
    desk.close()
    assert not proven(tmp_path / "run").recorded_digest


def test_what_fails_outside_the_engine_is_named_once_and_places_nothing_more(tmp_path: Path) -> None:
    desk = desk_in(tmp_path / "run")
    tell(desk, MarketListed(at(0), MARKET))
    desk.fail("the api", ExceptionGroup("tasks", [ExceptionGroup("tasks", [KeyError("lost")])]))
    desk.fail("the ticker", OSError("late"))
    assert desk.busy == "the api failed: KeyError: 'lost'"
    assert [line["event"] for line in logged(tmp_path / "run")][-2:] == ["the api failed", "the ticker failed"]
    assert "KeyError: 'lost'" in logged(tmp_path / "run")[-2]["error"], "with its traceback"
    assert not places(tell(desk, book(1, "47x500 | 53x500"), Ticked(at(100))))


def verified(desk: Desk, ms: int) -> None:
    """The venue's account says that nothing rests."""
    tell(desk, AccountSeen(at(ms), desk.engine.state.portfolio.cash, (), ()))


def test_a_kill_is_on_disk_until_it_is_reset(tmp_path: Path) -> None:
    latch = tmp_path / "state" / "latch.json"
    desk = desk_in(tmp_path / "run", latch=latch)
    tell(desk, MarketListed(at(0), MARKET), Killed(at(100), "operator", "enough"))
    first = latch.read_bytes()
    assert msgspec.json.decode(first) == {"why": "operator: enough", "at": at(100)}
    assert latch.stat().st_mode & 0o777 == 0o600
    again = desk_in(tmp_path / "again", latch=latch)
    tell(again, Killed(at(500), "latch", "an earlier run was killed"))
    assert latch.read_bytes() == first, "the first reason stays"
    verified(again, 600)
    assert again.engine.state.kill.phase == "killed"
    tell(again, KillReset(at(700), "operator", "looked at"))
    assert not latch.exists()


def test_a_log_that_cannot_be_written_costs_lines_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk: list[str] = []
    full = [True]

    def write(line: str) -> None:
        if full[0]:
            raise OSError(28, "No space left on device")
        disk.append(line)

    sink = Sink(write)
    record: Any = logging.makeLogRecord({"msg": "one", "levelname": "INFO"})
    sink.handle(record)
    full[0] = False
    sink.handle(record)
    assert (sink.lost, disk) == (1, ["\none\n"]), "a line that was torn is ended first"
    assert capsys.readouterr().err == "", "nothing is printed about it"


def test_a_log_line_that_is_no_text_is_lost_and_fails_nothing() -> None:
    """A stranger's bytes end up in a library's error, and what a handler raises would end the desk."""
    lines: list[str] = []
    sink = Sink(lines.append)
    sink.setFormatter(JsonLines("LIVE"))
    for text in ("\udcff", "well"):
        sink.handle(logging.makeLogRecord({"msg": text, "levelname": "ERROR"}))
    assert sink.lost == 1 and len(lines) == 1 and '"well"' in lines[0]


def halted(folder: Path, ended: "subprocess.CompletedProcess[str]", said: str) -> list[dict[str, Any]]:
    """What holds of a run whose disk was full, and its journal's entries."""
    assert ended.returncode == 3, ended.stderr
    assert "Traceback" not in ended.stderr
    assert said in ended.stderr and "trading is halted" in ended.stderr
    return journaled(folder)


def test_F61_a_limit_on_the_journal_halts_the_whole_program(home: Home) -> None:
    tape = cut_tape(home.folder / "t.zst", 2_400)
    limit = 5 << 20
    ended = home.call(
        "replay", tape, "--profile", home.profile(PROFILE), "--logs", home.logs,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    folder = home.run_folder()
    entries = halted(folder, ended, "File too large")
    assert limit - 10_000 < (folder / "journal.jsonl").stat().st_size <= limit
    assert "closing" not in entries[-1], "no digest vouches for what could not be written"
    state = json.loads((folder / "live_state.json").read_text())
    assert "File too large" in state["card"]["busy"] and state["snapshot"]["phase"] == "killed" and not state["snapshot"]["orders"]
    assert home.call("replay", folder).returncode == 0, "provable up to its end"


def test_F61_a_full_disk_halts_the_whole_program_and_the_halt_is_written(home: Home, short_tape: Path) -> None:
    disk = home.folder / "disk"
    disk.mkdir()
    private = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*private, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no private mounts here: a small disk cannot be made")
    program = [sys.executable, "-m", "pmm_tui", "replay", str(short_tape), "--profile", home.profile(PROFILE), "--logs", str(disk)]
    script = 'mount -t tmpfs -o size=6m tmpfs "$0"; "$@"; code=$?; cp -r "$0"/. "$0"-copy; exit $code'
    (home.folder / "disk-copy").mkdir()
    ended = subprocess.run(
        [*private, "sh", "-c", script, str(disk), *program],
        cwd=ROOT, env=os.environ | home.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (folder,) = (home.folder / "disk-copy").iterdir()
    entries = halted(folder, ended, "No space left on device")
    kill = next(i for i, entry in enumerate(entries) if entry.get("event", {}).get("type") == "Killed")
    assert entries[kill]["commands"][0] == {"type": "CancelAll"}
    assert not [command for entry in entries[kill:] for command in entry.get("commands", ()) if command["type"] == "Place"]
    assert entries[-1].get("closing"), "the room that was kept is enough for the rest of the run"
    assert home.call("replay", folder).returncode == 0


def test_a_full_log_is_put_aside_and_only_so_many_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 100)
    file = logs.LogFile(tmp_path / "run.log")
    for number in range(40):
        file.write(f"line {number:02} {'.' * 31}\n")
    file.close()
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["run.log", "run.log.1", "run.log.2", "run.log.3"]
    lines = "".join((tmp_path / name).read_text() for name in ("run.log.3", "run.log.2", "run.log.1", "run.log")).splitlines()
    assert [line[5:7] for line in lines] == [f"{number:02}" for number in range(40 - len(lines), 40)], "the newest, none torn or lost"
    assert all(path.stat().st_mode & 0o777 == 0o600 and path.stat().st_size <= 100 for path in tmp_path.iterdir())


def test_a_log_that_cannot_be_begun_anew_keeps_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 100)
    file = logs.LogFile(tmp_path / "run.log")
    for number in range(8):
        file.write(f"line {number:02} {'.' * 31}\n")
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    (tmp_path / "run.log.new").mkdir()
    for _ in range(5):
        with pytest.raises(OSError, match="directory"):
            file.write("lost " * 12)
    (tmp_path / "run.log.new").rmdir()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == kept
    file.close()
