"""What leaves the screen: copies and exports in plain units, private files, nothing in them that a terminal or a spreadsheet would run."""

import csv
import io
from pathlib import Path

import pytest
from msgspec.structs import replace

from pmm_tui.tui.clip import incident
from pmm_tui.tui.export import as_csv
from tests.faces import pictures
from tests.faces.driver import desk, scene
from tests.faces.test_compare import apart

WIDE = (160, 48)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def rows(text: str) -> list[dict[str, str]]:
    """A CSV's rows by the names of its columns."""
    return list(csv.DictReader(io.StringIO(text)))


def test_fills_are_told_in_dollars_and_shares() -> None:
    first = rows(as_csv([pictures.quoting(), pictures.live()], 4))
    assert len(first) == 14 and {row["mode"] for row in first} == {"PAPER", "LIVE"}
    assert (first[0]["side"], first[0]["price"], first[0]["size"], first[0]["edge"]) == ("BUY", "0.5100", "25", "0.380000")
    assert first[0]["at"].startswith("2026-11-21T14:02:3") and first[2]["size"] == "12.5"


@pytest.mark.parametrize("screen", range(1, 9))
def test_every_screen_is_a_table_without_formulas_or_control_characters(screen: int) -> None:
    evil = replace(pictures.hostile().snapshot.notes[0], text='=HYPERLINK("x")\x1b[2J')
    frame = replace(pictures.hostile(), snapshot=replace(pictures.hostile().snapshot, notes=(evil,)))
    text = as_csv([frame], screen)
    read = rows(text)
    assert read and "\x1b" not in text and "\x07" not in text
    names = ("price", "edge", "fee", "cost", "realised", "unrealised", "cash", "equity", "captured", "drift", "adverse", "fees")
    cells = [cell for row in read for name, cell in row.items() if name not in names]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "\t"))]


async def test_s_writes_three_private_files_of_what_is_seen(tmp_path: Path) -> None:
    async with desk(pictures.quoting(), WIDE) as one:
        await one.press("S")
        written = sorted((tmp_path / "pmm-tui" / "exports").iterdir())
        assert [path.suffix for path in written] == [".csv", ".svg", ".txt"] and "written: " in one.said
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in written)
        assert rows(written[0].read_text())[0]["state"] == "quoting"
        assert written[1].read_text().startswith("<svg") and "Making money?" in written[2].read_text()
        await one.press("4", "S")
        assert any("fills" in path.name and "edge" in path.read_text() for path in (tmp_path / "pmm-tui" / "exports").glob("*.csv"))


async def test_an_export_of_a_display_that_stands_still_is_of_what_stands_there(tmp_path: Path) -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("4", "w")
        one.source.frame = replace(pictures.quoting(), snapshot=replace(pictures.quoting().snapshot, fills=()))
        one.app.pull()
        await one.press("S")
        (path,) = (tmp_path / "pmm-tui" / "exports").glob("*.csv")
        assert len(rows(path.read_text())) == len(pictures.quoting().snapshot.fills)


async def test_an_export_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "pmm-tui").write_text("in the way")
    async with desk(pictures.quoting()) as one:
        await one.press("S")
        assert "nothing was written" in one.said and one.app.scene.message[0] == "alarm"
        await one.press("Y")
        assert "no file" in one.said and one.app.is_running


async def test_y_copies_the_chosen_pane_or_the_screen_and_after_a_kill_what_led_to_it(tmp_path: Path) -> None:
    clip = tmp_path / "pmm-tui" / "clip.txt"
    async with desk(pictures.quoting(), WIDE) as one:
        await one.press("Y")
        assert "Making money?" in clip.read_text() and one.app.clipboard + "\n" == clip.read_text()
        await one.press("tab", "tab", "tab", "Y")
        assert "Our orders" in clip.read_text() and "Making money?" not in clip.read_text()
        one.source.frame = pictures.killed()
        one.app.pull()
        await one.press("Y")
        told = clip.read_text()
        assert told.startswith("PAPER run-007-1795258 KILLED: drawdown 25.32 % of the start reached 25 %")
        assert "cancel all: none left in our books" in told
        assert clip.stat().st_mode & 0o777 == 0o600


def test_nothing_was_killed_nothing_is_told() -> None:
    assert incident(scene(pictures.quoting())) == "" and incident(scene(None)) == ""


def test_the_comparison_is_told_figure_by_figure_paper_first_whichever_desk_has_the_keys() -> None:
    seen = apart()
    assert seen.frame is not None and seen.beside is not None and seen.beside.frame is not None
    read = rows(as_csv([seen.frame, seen.beside.frame], 8))
    assert len(read) > 20 and {"paper", "production", "ratio", "interval", "verdict"} <= read[0].keys()
    waits = next(row for row in read if "submit" in row["figure"] and row["ratio"])
    assert float(waits["production"]) > float(waits["paper"]) and float(waits["ratio"]) > 1.5, "production answers slower"
    assert any(row["verdict"] == "DIVERGES" for row in read)
    assert {(row["run_paper"], row["run_production"]) for row in read} == {(seen.beside.frame.card.run, seen.frame.card.run)}
    told = rows(as_csv([seen.beside.frame, replace(seen.beside.frame, card=replace(seen.beside.frame.card, run="run-008"))], 8))
    assert {"first", "second", "n_first", "n_second"} < told[0].keys() and not {"paper", "production"} & told[0].keys()
    assert {(row["run_first"], row["run_second"]) for row in told} == {(seen.beside.frame.card.run, "run-008")}
