"""Proving and reporting what another program, or a defect, has left behind."""

from pathlib import Path

import pytest

from pmm_tui.core.events import Ticked
from pmm_tui.core.units import Nanos
from pmm_tui.record.journal import Journal, read
from pmm_tui.runtime.replaying import prove_run, show_report
from tests.core.desk import knobs
from tests.runtime.desks import desk_in
from tests.runtime.test_desk import quoting


def recorded(folder: Path, header: dict[str, object], digest: str | None = "none") -> Path:
    """A run of one tick."""
    journal = Journal(folder, header, ballast_mib=0)
    journal.write(Ticked(Nanos(1)), [])
    journal.close(digest)
    return folder


@pytest.mark.parametrize("header", [{}, {"knobs": {"desk": {"quote_interval_s": "soon"}}}, {"knobs": 5}])
def test_a_header_that_this_version_does_not_know_is_refused(tmp_path: Path, header: dict[str, object]) -> None:
    folder = recorded(tmp_path / "run", header)
    with pytest.raises(ValueError, match="the journal's header has no knobs that this version knows"):
        prove_run(folder)
    with pytest.raises(ValueError, match="the journal's header has no knobs that this version knows"):
        show_report(folder, as_json=False)


def test_a_state_that_differs_at_the_end_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prove_run(recorded(tmp_path / "run", {"knobs": {}})) == 1
    said = capsys.readouterr().out
    assert said.startswith("run: DIFFERS at seq 2 (closing) after 1 entries\n  recorded: none\n  answered: ")


def test_a_run_with_other_knobs_than_its_header_says_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = desk_in(tmp_path / "run", knobs(levels=2))
    quoting(desk)
    desk.close()
    assert prove_run(tmp_path / "run") == 0
    folder = tmp_path / "other"
    journal = Journal(folder, {"knobs": {"maker": {"levels": 1}, "risk": {"warm_up_s": 0.0}}}, ballast_mib=0)
    for entry in read(tmp_path / "run"):
        journal.write(entry.event, entry.commands)
    journal.close(None)
    capsys.readouterr()
    assert prove_run(folder) == 1
    assert "DIFFERS at seq 2 (BookReset)" in capsys.readouterr().out


def test_a_run_that_ended_without_a_digest_is_reported_with_a_word_of_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_report(recorded(tmp_path / "run", {"knobs": {}, "run": "one-1"}, None), as_json=False) == 0
    out, err = capsys.readouterr()
    assert out.startswith("run            one-1\n")
    assert err == "pmm-tui: the run did not end in order: this is how far its journal goes\n"
