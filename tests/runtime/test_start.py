"""Runs that begin and end: signals, kills, names, sockets, and a desk in a process of its own."""

import asyncio
import os
import re
import signal
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pmm_tui import cli
from pmm_tui.runtime import start
from pmm_tui.runtime.places import SOCKET_BYTES_MAX, CannotStart, duration_s, logs_folder, new_run, socket_path
from pmm_tui.runtime.profile import load
from pmm_tui.runtime.start import Options, Started, launch, launch_all
from tests.runtime.desks import proven
from tests.runtime.scene import PROFILE, Home, ending, face, journaled, logged, picture, resting, running, waited

SLOW = PROFILE.replace("speed: max", "speed: 200")


def quoting(home: Home) -> bool:
    """The run's journal shows orders accepted that rest."""
    folders = list(home.logs.iterdir()) if home.logs.exists() else []
    return bool(folders) and (folders[0] / "journal.jsonl").exists() and len(resting(journaled(folders[0]))) > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_F67_F68_a_signal_ends_a_run_with_nothing_resting(home: Home, number: signal.Signals) -> None:
    with ending(home.headless(home.profile(SLOW))) as process:
        waited(lambda: quoting(home))
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    folder = home.run_folder()
    assert process.returncode == 0, err
    assert f"{number.name}: the run ends" in err and "Traceback" not in err
    assert not resting(journaled(folder))
    assert proven(folder).holds and proven(folder).recorded_digest
    assert not home.run_folder().joinpath("ballast").exists()
    assert f"run            {folder.name}" in out
    assert (folder / "summary.json").is_file()


def test_F84_sigusr1_kills_and_the_run_ends_with_code_3(home: Home) -> None:
    with ending(home.headless(home.profile(SLOW))) as process:
        waited(lambda: quoting(home))
        process.send_signal(signal.SIGUSR1)
        waited(lambda: any("kill verified" in line["event"] for line in logged(home.run_folder())))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 3
    entries = journaled(home.run_folder())
    killed = next(i for i, entry in enumerate(entries) if entry.get("event", {}).get("type") == "Killed")
    assert entries[killed]["event"]["actor"] == "signal"
    assert entries[killed]["commands"][0] == {"type": "CancelAll"}
    assert not resting(entries)


def test_F68_two_signals_end_it_at_once_with_a_readable_journal(home: Home) -> None:
    with ending(home.headless(home.profile(SLOW))) as process:
        waited(lambda: quoting(home))
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode in (0, 3)
    assert "Traceback" not in err
    assert proven(home.run_folder()).holds


def test_F59_a_run_that_was_killed_is_provable_up_to_its_end(home: Home) -> None:
    with ending(home.headless(home.profile(SLOW))) as process:
        waited(lambda: quoting(home))
        process.kill()
        process.communicate(timeout=30)
    proof = proven(home.run_folder())
    assert proof.holds and proof.entries > 10 and not proof.recorded_digest
    assert home.call("report", home.run_folder()).returncode == 0


async def test_a_run_ends_by_itself_after_its_duration(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    async with running(home, home.profile(SLOW), duration="0.5s", speed="0.01") as (run, task), asyncio.timeout(30):
        assert await task == 0
    assert not resting(journaled(run.folder))
    assert not run.socket.exists()


@pytest.mark.parametrize(("text", "seconds"), [("", 0.0), ("90s", 90.0), ("30m", 1_800.0), ("2h", 7_200.0), ("0.5s", 0.5)])
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["90", "s", "-1s", "0m", "1d", "1h30m", "1e3s", " 1s", "nans", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(CannotStart, match="--duration: found"):
        duration_s(text)


def test_a_desk_of_its_own_is_a_session_of_its_own_and_stops_at_its_api(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    monkeypatch.chdir(home.folder)
    home.profile(SLOW)
    started = launch(Options(profile="./small.yaml", speed="20", logs=Path("logs")))
    try:
        assert os.getsid(started.process.pid) == started.process.pid != os.getsid(0)
        assert started.socket.parent == home.folder / "run" / "pmm-tui"
        assert stat.S_IMODE(started.socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE((started.folder / "desk.out").stat().st_mode) == 0o600
        assert started.folder == home.logs / started.run
        assert Path(f"/proc/{started.process.pid}/fd/0").readlink().name.startswith("pipe:"), "never the terminal"
        assert not started.ended(0.0)

        async def look() -> None:
            async with face(started.socket) as client:
                card = picture(client).card
                assert (card.run, card.pid, card.speed, card.source) == (started.run, started.process.pid, "20", "tape")
                assert await client.command("stop", {}) == (True, "stopping: quotes are pulled, then the run ends")

        asyncio.run(look())
        assert started.ended(30.0) and started.process.returncode == 0
    finally:
        started.process.kill()
        started.process.wait()
    assert (started.folder / "desk.out").read_text() == "", "a desk of a console says nothing on a terminal"
    assert not started.socket.exists()


def test_a_desk_that_does_not_start_says_why_on_the_console(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    (home.folder / "run" / "pmm-tui").write_text("a file where the socket's folder should be")
    with pytest.raises(CannotStart, match=r"the desk did not start: .*pmm-tui"):
        launch(Options(profile=home.profile(SLOW), logs=home.logs))
    with pytest.raises(CannotStart, match=r"tape: found 'none\.zst'"):
        launch(Options(profile=home.profile(SLOW.replace("tape: demo", "tape: none.zst")), logs=home.logs))
    with pytest.raises(ValueError, match="speed: found 'fast'"):
        launch(Options(profile=home.profile(SLOW), logs=home.logs, speed="fast"))


def test_a_desk_that_never_answers_is_not_left_running(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    monkeypatch.setattr(start, "CONNECT_S", 0.0)
    with pytest.raises(CannotStart, match="did not start: no answer within 0 s"):
        launch(Options(profile=home.profile(SLOW), logs=home.logs))


class Console:
    """What stands in for the screen: it remembers what it was opened on, and does what it was told."""

    def __init__(self, stops: bool) -> None:
        self.stops = stops
        self.opened: list[tuple[Path, bool]] = []

    def open(self, sockets: Sequence[Path], *, keep: bool, **_: object) -> int:
        """Open, and quit at once."""
        (socket,) = sockets
        self.opened.append((socket, keep))

        async def look() -> None:
            async with face(socket) as client:
                if self.stops:
                    await client.command("stop", {})

        asyncio.run(look())
        return 0


def both(first: Callable[[str], None], second: Callable[[str], None]) -> Callable[[str], None]:
    """A word to two."""

    def tell(text: str) -> None:
        first(text)
        second(text)

    return tell


@pytest.mark.parametrize("keep", [False, True])
def test_the_console_is_opened_on_its_desk_and_says_what_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    home.enter(monkeypatch)
    monkeypatch.setattr(cli, "_needs_terminal", lambda *_: None)
    console = Console(stops=not keep)
    monkeypatch.setattr(cli, "console", console.open)
    launched: list[Started] = []

    told: list[str] = []

    def launch_and_remember(wanted: Sequence[Options], tell: Callable[[str], None]) -> list[Started]:
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        launched.extend(launch_all(wanted, both(told.append, tell)))
        return launched

    monkeypatch.setattr(start, "launch_all", launch_and_remember)
    words = ["--profile", home.profile(SLOW), "--speed", "1", "--logs", str(home.logs), *(["--keep"] if keep else [])]
    ended = CliRunner().invoke(cli.app, words)
    assert ended.exit_code == 0, ended.stderr
    (desk,) = launched
    assert console.opened == [(desk.socket, keep)]
    goes_on = f"the desk {desk.run} goes on; to see it again: pmm-tui attach {desk.socket}\n"
    assert ended.stdout == (goes_on if keep else "")
    assert told == ["starting the desk small ..."] and f"pmm-tui: {told[0]}\n" in ended.stderr
    assert desk.ended(0.0) is not keep
    desk.process.terminate()
    assert desk.ended(30.0)


def test_no_two_runs_have_one_name(home: Home) -> None:
    profile = load("demo")
    folders = {new_run(home.logs, profile) for _ in range(50)}
    assert len(folders) == 50
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in folders)
    assert all(re.fullmatch(r"demo-\d{8}-\d{6}-[0-9a-f]{4}", folder.name) for folder in folders)


def test_where_a_socket_is(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home.enter(monkeypatch)
    profile, run = load("demo"), "demo-20261121-120000-abcd"
    assert socket_path(profile, run) == home.folder / "run" / "pmm-tui" / f"{run}.sock"
    for unusable in ("", str(home.folder / "none")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        assert socket_path(profile, run) == home.state / "run" / f"{run}.sock"
    deep = tmp_path / ("d" * 90)
    monkeypatch.setenv("XDG_STATE_HOME", str(deep))
    short = socket_path(profile, run)
    assert short == socket_path(profile, run), "a console finds the desk that it started"
    assert short != socket_path(profile, run[:-1] + "e")
    assert len(os.fsencode(short)) <= SOCKET_BYTES_MAX
    assert short.parent.name == f"pmm-tui-{os.getuid()}"
    monkeypatch.setenv("PMM_API_SOCKET", "/somewhere/desk.sock")
    assert socket_path(load("demo"), run) == Path("/somewhere/desk.sock")


async def test_a_desk_whose_folders_are_deep_is_served_all_the_same(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home.enter(monkeypatch, XDG_STATE_HOME=str(tmp_path / ("d" * 90)), XDG_RUNTIME_DIR="")
    async with running(home, home.profile(SLOW)) as (run, _), face(run.socket) as client:
        assert picture(client).card.run == run.name
        assert stat.S_IMODE(run.socket.parent.stat().st_mode) == 0o700


async def test_a_socket_that_is_taken_is_refused_and_the_records_are_closed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch, PMM_API_SOCKET=str(home.folder / "one.sock"))
    profile = home.profile(SLOW)
    async with running(home, profile):
        second = await asyncio.to_thread(
            home.call,
            "--profile",
            profile,
            "--no-ui",
            "--logs",
            home.folder / "other",
            env={"PMM_API_SOCKET": str(home.folder / "one.sock")},
        )
        assert second.returncode == 2
        assert f"pmm-tui: a desk already answers on {home.folder}/one.sock" in second.stderr
        (folder,) = (home.folder / "other").iterdir()
        assert proven(folder).recorded_digest


def test_where_the_logs_are(home: Home, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    home.enter(monkeypatch)
    assert logs_folder(load("demo"), Path("given")) == Path("given")
    assert logs_folder(load("demo"), None) == root / "logs"
    monkeypatch.setenv("PMM_LOGS", "/else/where")
    assert logs_folder(load("demo"), None) == Path("/else/where")
    monkeypatch.delenv("PMM_LOGS")
    monkeypatch.setattr("pmm_tui.__file__", str(home.folder / "site-packages" / "pmm_tui" / "__init__.py"))
    assert logs_folder(load("demo"), None) == home.state / "logs"
