"""What a shell shows of a desk: nothing that a terminal would obey, in our own words, and without taking a console's place."""

import asyncio
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from pmm_tui.api import faces
from pmm_tui.api.faces import NoPicture
from pmm_tui.core.snapshot import Frame
from pmm_tui.runtime import fleet, shell
from tests.api.scene import serving
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard

CLEARS = "\x1b[2J\x9b2J\rby \u202enobody"


def test_what_somebody_sent_does_not_reach_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pictures.killed()
    frame = replace(frame, snapshot=replace(frame.snapshot, why=f"killed by {CLEARS}: {CLEARS}"))
    desks = [fleet.Seen(frame.card.run, Path("x"), frame), fleet.Seen("other", Path("y"), None, CLEARS)]
    monkeypatch.setattr(shell, "running", lambda: desks)
    monkeypatch.setattr(shell, "find", lambda _: desks[0])
    monkeypatch.setattr(shell, "tell", lambda *_: (True, CLEARS))
    shell.show_desks(as_json=False, drop=False)
    shell.direct("x", "pause", {}, None)
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.split("\n")) and "killed by ?[2J" in said and len(said.split("\n")) == 5


def test_a_profile_is_never_taken_for_another_whose_name_begins_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(run: str, heard: bool = True) -> fleet.Seen:
        frame = pictures.quoting()
        card = replace(frame.card, run=run, profile=fleet.profile_of(run))
        return fleet.Seen(run, Path(f"{run}.sock"), replace(frame, card=card) if heard else None)

    second = seen("prod-2-20261121-120000-ab12")
    monkeypatch.setattr(fleet, "running", lambda: [second])
    for other in ("prod", "prod-", "pro"):
        with pytest.raises(ValueError, match="does not run"):
            fleet.find(other)
    assert fleet.find("prod-2") is fleet.find("prod-2-2026") is second
    first, hangs = seen("prod-20261121-120001-ab13"), seen("run-20261121-120002-ab14", heard=False)
    monkeypatch.setattr(fleet, "running", lambda: [second, first, hangs])
    assert fleet.find("prod") is first and fleet.find("run") is hangs


class Lost(FakeBoard):
    """A board without a picture."""

    def frame(self) -> Frame:
        """None."""
        raise NoPicture("it is lost")


async def test_a_desk_without_a_picture_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s" / "desk.sock"
    async with serving(path, Lost(pictures.quoting())):
        seen = await asyncio.to_thread(fleet.look, path)
    assert (seen.frame, seen.why, seen.gone) == (None, "it answers with HTTP 503", False)


async def test_a_command_from_a_shell_needs_no_place_of_a_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "FACES_MAX", 0)
    path, board = tmp_path / "s" / "desk.sock", FakeBoard(pictures.quoting())
    async with serving(path, board, clock=time.time_ns):
        seen = fleet.Seen("x", path, None)
        assert await asyncio.to_thread(fleet.tell, seen, "pause", {}) == (True, "pause: done")
        assert await asyncio.to_thread(fleet.tell, seen, "speed", {}) == (False, "speed: no tape")
    assert [cmd for cmd, _, _ in board.taken] == ["pause", "speed"]
