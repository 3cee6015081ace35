"""A replay proves a run, or names the first entry that differs."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmm_tui.core.commands import Alert, Cancel, Command
from pmm_tui.core.events import Event, LinkDown, Ticked
from pmm_tui.core.units import Nanos
from pmm_tui.record.journal import Journal
from pmm_tui.record.lines import JournalCorrupt
from pmm_tui.record.replay import prove
from tests.replay.examples import FACTS, HEADER


class Echo:
    """A small deterministic desk: it counts, alerts at every `every`-th fact, and its digest covers all it was told."""

    def __init__(self, header: dict[str, Any]) -> None:
        self._every: int = header["knobs"]["every"]
        self._seen = hashlib.sha256()
        self._count = 0

    def step(self, event: Event) -> list[Command]:
        self._count += 1
        self._seen.update(msgspec.json.encode(event))
        return [Alert("info", "count", f"{self._count} ≥ {event.at}"), Cancel(self._count)] if self._count % self._every == 0 else []

    def digest(self) -> str:
        return self._seen.hexdigest()


class Changed(Echo):
    """The same desk after a change of heart at its 6th fact."""

    def step(self, event: Event) -> list[Command]:
        commands = super().step(event)
        return [*commands, Cancel(99)] if self._count == 6 else commands


class Forgetful(Echo):
    """The same commands, another state."""

    def digest(self) -> str:
        return "something else"


class Broken(Echo):
    """It raises at its 5th fact."""

    def step(self, event: Event) -> list[Command]:
        if self._count == 4:
            raise ZeroDivisionError("no")
        return super().step(event)


def record(folder: Path, ended: bool = True, every: int = 3, rotate_mib: float = 64) -> Path:
    header = {**HEADER, "knobs": {"every": every}}
    journal, desk = Journal(folder, header, ballast_mib=0, rotate_mib=rotate_mib), Echo(header)
    for fact in FACTS:
        journal.write(fact, desk.step(fact))
    journal.close(desk.digest() if ended else None)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    yield record(tmp_path / "run")


def test_the_same_desk_proves_its_run(run: Path) -> None:
    proof = prove(run, Echo)
    assert proof.holds
    assert proof.entries == len(FACTS)
    assert proof.digest == proof.recorded_digest != ""
    assert (proof.run, proof.program, proof.torn) == ("r-1", "0.1.0", "")
    assert f"proven: {len(FACTS)} entries" in str(proof)
    assert prove(run, Echo) == proof, "twice the same"


def test_a_run_over_many_files_is_proven_as_one(tmp_path: Path) -> None:
    record(tmp_path, rotate_mib=0.001)
    assert len(list(tmp_path.glob("*.zst"))) > 3
    assert prove(tmp_path, Echo).holds


def test_the_knobs_come_from_the_header(tmp_path: Path) -> None:
    record(tmp_path, every=5)
    assert prove(tmp_path, Echo).holds


def test_F73_the_first_entry_that_differs_is_named(run: Path) -> None:
    proof = prove(run, Changed)
    assert proof.difference is not None
    assert (proof.difference.seq, proof.difference.event) == (6, type(FACTS[5]).__name__)
    assert proof.difference.answered == proof.difference.recorded.replace("]", ',{"type":"Cancel","order":99}]')
    assert proof.entries == 6
    assert "DIFFERS at seq 6 (ReferenceMoved)" in str(proof)


def test_F73_another_state_at_the_end_is_named(run: Path) -> None:
    proof = prove(run, Forgetful)
    assert proof.difference is not None
    assert (proof.difference.event, proof.difference.answered, proof.difference.seq) == ("closing", "something else", len(FACTS) + 1)


def test_a_killed_run_is_proven_up_to_its_end(tmp_path: Path) -> None:
    record(tmp_path, ended=False)
    proof = prove(tmp_path, Echo)
    assert proof.holds
    assert proof.recorded_digest == ""
    assert "no digest was recorded" in str(proof)
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"seq":25,"crc":"00')
    proof = prove(tmp_path, Echo)
    assert (proof.holds, proof.entries) == (True, len(FACTS))
    assert "19 bytes after the last whole line" in proof.torn
    assert "torn tail left out" in str(proof)


def test_a_corrupt_journal_proves_nothing(run: Path) -> None:
    live = run / "journal.jsonl"
    live.write_bytes(live.read_bytes().replace(b"0.130", b"0.131"))
    with pytest.raises(JournalCorrupt, match="line 3, seq 2"):
        prove(run, Echo)


def test_what_the_desk_raises_names_the_entry(run: Path) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        prove(run, Broken)
    assert raised.value.__notes__ == [f"while replaying {run}, seq 5, TickSizeChanged"]


def test_an_empty_run_is_proven(tmp_path: Path) -> None:
    desk = Echo({"knobs": {"every": 3}})
    journal = Journal(tmp_path, {"knobs": {"every": 3}}, ballast_mib=0)
    journal.close(desk.digest())
    proof = prove(tmp_path, Echo)
    assert (proof.holds, proof.entries, proof.run) == (True, 0, tmp_path.name)


def test_commands_are_compared_as_bytes(tmp_path: Path) -> None:
    class Quiet(Echo):
        def step(self, event: Event) -> list[Command]:
            return [Alert("info", "k", "é" if event.at else "e\u0301")]

    journal = Journal(tmp_path, {"knobs": {"every": 1}}, ballast_mib=0)
    journal.write(Ticked(Nanos(0)), [Alert("info", "k", "é")])
    journal.write(LinkDown(Nanos(1), "l", "r"), [])
    journal.close()
    proof = prove(tmp_path, Quiet)
    assert proof.difference is not None
    assert proof.difference.seq == 1
