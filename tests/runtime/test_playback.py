"""A finished run played again: held, stepped, sought forth and back, to the very state that it had."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pmm_tui import cli
from pmm_tui.api.client import Client
from pmm_tui.core.snapshot import Snapshot
from pmm_tui.record.journal import read
from pmm_tui.runtime.playback import Playback, opened
from pmm_tui.runtime.replaying import engine_of
from pmm_tui.study.markouts import followed
from pmm_tui.study.tally import Tally
from tests.runtime.scene import Home, until

Demo = tuple[Home, object]


def folder_of(demo: Demo) -> Path:
    return demo[0].run_folder()


def at_entry(folder: Path, number: int) -> Snapshot:
    """What the desk showed after so many entries."""
    journal = read(folder)
    engine, tally = engine_of(journal.header), Tally()
    for _, entry in zip(range(number), journal, strict=False):
        tally.step(engine.state, entry.event, engine.step(entry.event))
    journal.close()
    return followed(engine.snapshot(), engine.state, tally.marks)


async def test_steps_lead_through_the_very_states_of_the_run(demo: Demo) -> None:
    playback = Playback(folder_of(demo), 1.0)
    assert (await playback.command("step", {"events": 1}, "test"))[1].startswith(f"event 1 of {playback.extent.entries}: ")
    await playback.command("step", {"events": 399}, "test")
    shown = playback.frame()
    assert shown.snapshot == at_entry(folder_of(demo), 400)
    assert (shown.card.source, shown.card.speed, shown.card.mode) == ("replay", "held", "PAPER")


async def test_back_and_forth_is_the_same_place(demo: Demo) -> None:
    playback = Playback(folder_of(demo), 0.0)
    playback.playing = False
    playing = asyncio.create_task(playback.run())

    async def sought(by_s: float) -> Snapshot:
        done, text = await playback.command("seek", {"by_s": by_s}, "test")
        assert done, text
        await until(lambda: playback.arrived)
        return playback.frame().snapshot

    early = await sought(60)
    late = await sought(300)
    assert late.seq > early.seq and late.at - early.at == pytest.approx(300e9, abs=0.2e9)
    assert await sought(-300) == early
    assert (await sought(-1e9)).at == playback.extent.first, "before the start is the start"
    end = await sought(1e9)
    assert end == at_entry(folder_of(demo), 10**9) and end.phase == "ending"
    assert any(out is not None for fill in end.fills for out in fill.markouts)
    playback.stop.set()
    await playing


async def test_what_plays_as_fast_as_it_can_is_held_where_it_is_seen(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmm_tui.runtime.playback.SLICE_S", 0.001)
    playback = Playback(folder_of(demo), 0.0)
    playing = asyncio.create_task(playback.run())
    await until(lambda: playback.frame().snapshot.seq > 0)

    async def still(cmd: str, **args: float | str | bool) -> tuple[int, float]:
        done, text = await playback.command(cmd, args, "test")
        assert done, text
        await asyncio.sleep(0.01)
        frame = playback.frame()
        share = (frame.snapshot.at - playback.extent.first) / (playback.extent.last - playback.extent.first)
        assert playback.arrived and 0 < share < 0.9 and frame.card.tape_position == pytest.approx(share, abs=0.01)
        return frame.snapshot.seq, share

    held, _ = await still("play", on=False)
    assert (await still("step", events=1))[0] == held + 1
    await playback.command("play", {"on": True}, "test")
    await until(lambda: playback.place > playback.extent.first)
    await still("speed", speed="1")
    playback.stop.set()
    await playing


def test_it_ends_with_the_console_that_it_was_started_for_however_that_ends(demo: Demo) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        socket = Path(home) / "replay.sock"
        words = [sys.executable, "-m", "pmm_tui", "playback", str(folder_of(demo)), str(socket), "--speed", "1"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            while not socket.is_socket():
                assert child.poll() is None
            assert child.stdin is not None
            child.stdin.close()  # what the system does with a killed process's end
            assert child.wait(timeout=20) == 0
        assert not Path(home).exists()


async def test_nothing_trades_and_nonsense_is_answered(demo: Demo) -> None:
    playback = Playback(folder_of(demo), 1.0)
    for cmd in ("kill", "pause", "flatten", "reload"):
        assert await playback.command(cmd, {}, "test") == (False, "this is a replay: nothing trades here")
    assert not (await playback.command("speed", {"speed": "-3"}, "test"))[0]
    assert (await playback.command("seek", {"by_s": "nan"}, "test"))[0]
    assert (await playback.command("step", {"events": "many"}, "test"))[1].startswith("event 1 of")
    assert await playback.command("play", {"on": True}, "test") == (True, "playing")


async def test_it_is_seen_through_the_window_of_a_desk(demo: Demo) -> None:
    with opened(folder_of(demo), "max") as socket:
        client = Client(socket, "test")
        listening = asyncio.create_task(client.run())
        try:
            await until(lambda: (frame := client.latest()) is not None and frame.card.tape_position == 1.0)
            assert await client.command("play", {"on": False}) == (True, "held")
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    assert not socket.exists()


def test_what_is_no_run_is_refused(tmp_path: Path, demo: Demo) -> None:
    with pytest.raises(ValueError, match=r"the replay did not start: .*no journal here"), opened(tmp_path, "1"):
        pass
    with pytest.raises(ValueError, match="speed: found 'warp'"), opened(tmp_path, "warp"):
        pass
    damaged = tmp_path / "run"
    shutil.copytree(folder_of(demo), damaged)
    with (damaged / "journal.jsonl").open("r+b") as file:
        file.seek(3_000)
        file.write(b"XX")
    with pytest.raises(ValueError, match="journal"):
        Playback(damaged, 1.0)
    result = CliRunner().invoke(cli.app, ["replay", str(tmp_path), "--ui"])
    assert result.exit_code == 2 and "there is no terminal here" in result.stderr
