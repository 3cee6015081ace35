"""Desks from a shell: found, told, killed, watched, and told of over a real channel; each desk a real process."""

import json
import re
import signal
import socket
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from pmm_tui import cli
from pmm_tui.api.client import owner
from pmm_tui.api.payloads import health
from pmm_tui.core.snapshot import NOT_ASKED, Frame, RiskRow
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime import doctor, fleet, shell
from pmm_tui.runtime.alerts import FILE, URLS, Line
from pmm_tui.runtime.monitor import DISK_LOW, disk, judge, see
from pmm_tui.runtime.places import SOCKET_BYTES_MAX, run_of, socket_path
from pmm_tui.runtime.profile import load
from pmm_tui.runtime.watch import CALM_LOOKS, Finding, Look, Watch
from tests.faces import pictures
from tests.runtime.scene import PROFILE, Home, ending, waited
from tests.runtime.test_alerts import Receiver

SLOW = PROFILE.replace("speed: max", "speed: 20")


@pytest.fixture(autouse=True)
def alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket of another test's desk below the common temp folder."""
    monkeypatch.setattr("tempfile.tempdir", str(home.folder))


def call(*words: str) -> tuple[int, str, str]:
    """The command line in this process: exit code, stdout, stderr."""
    result = CliRunner().invoke(cli.app, words)
    return result.exit_code, result.stdout, result.stderr


def seen_quoting() -> bool:
    """A desk answers and has placed orders."""
    return any(desk.frame is not None and desk.frame.snapshot.orders_sent for desk in fleet.running())


def test_a_desk_is_listed_paused_resumed_and_killed_from_a_shell(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    assert call("ps")[:2] == (0, "no desk runs here\n")
    with ending(home.headless(home.profile(SLOW))) as process:
        waited(lambda: seen_quoting())
        (desk,) = fleet.running()
        assert desk.frame is not None and owner(desk.socket) == process.pid == desk.frame.card.pid
        told = json.loads(call("ps", "--json")[1])
        assert [(one["run"], one["mode"], one["profile"]) for one in told] == [(desk.run, "PAPER", "small")]
        assert call("pause", "small")[0] == 0
        waited(lambda: phase() == "paused")
        code, _, why = call("resume", "small")
        assert code == 2 and "not agreed to, nothing was sent" in why and phase() == "paused"
        assert call("resume", "small", "--yes", desk.run)[0] == 0
        waited(lambda: phase() != "paused")
        code, out, _ = call("kill", desk.run[:8], "--reason", "a drill")
        assert (code, out) == (0, "killed: the venue shows no open order\n") and phase() == "killed"
        code, out, _ = call("monitor", "small", "--json")
        (alarm,) = [one for one in json.loads(out)["findings"] if one["level"] == "alarm"]
        assert code == 3 and alarm["what"] == "kill switch" and "a drill" in alarm["why"]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert fleet.running() == []


def phase() -> str:
    """What the one desk says it is."""
    (desk,) = fleet.running()
    return desk.frame.snapshot.phase if desk.frame is not None else ""


def test_a_desk_that_does_not_answer_is_killed_by_signal_and_one_that_is_gone_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    monkeypatch.setattr(fleet, "VERIFIED_S", 0.5)
    with ending(home.headless(home.profile(SLOW))) as process:
        waited(lambda: seen_quoting())
        (desk,) = fleet.running()
        process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(fleet, "ANSWER_S", 0.2)
        done, text = fleet.kill(desk, "it hangs")
        assert not done and f"SIGUSR1 sent to process {process.pid}" in text and "NOT verified" in text
        look = see(["small"])
        (hangs,) = [one for one in look.findings if one.what == "alive"]
        assert (hangs.desk, hangs.level) == (desk.run, "alarm") and hangs.why.startswith("hangs, it does not answer"), "and it does run"
        monkeypatch.setattr(fleet, "ANSWER_S", 2.0)
        process.send_signal(signal.SIGCONT)
        waited(lambda: phase() == "killed")
        process.kill()
        process.communicate(timeout=30)
    (gone,) = fleet.running()
    assert gone.gone and "process is gone" in gone.why
    assert [one.why for one in see(()).findings if one.what == "alive"] == ["its process is gone: killed, or crashed"]
    with pytest.raises(ValueError, match="desk: found 'small', which does not run; running: none"):
        fleet.find("small")
    code, out, err = call("ps", "--forget")
    assert code == 0 and str(gone.socket) in err and out == "no desk runs here\n"


def test_a_desk_that_should_run_and_does_not_is_an_alarm(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    code, out, _ = call("monitor", "prod-001", "--quiet")
    assert code == 3 and "prod-001" in out and "does not run" in out
    assert call("monitor")[0] == 1, "no desk at all is worth a warning"


def test_a_look_at_other_desks_calls_none_well(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch, **{URLS: "json://127.0.0.1:1/nobody"})
    for name in ("nosuch", "other", "other", "other"):
        assert call("monitor", name)[0] == 3
    kept = "".join(path.read_text() for path in home.state.glob("monitor*.json"))
    assert "nosuch alive: does not run" in kept and "recovered" not in kept


def test_whatever_cannot_be_printed_or_kept_is_alerted_and_the_exit_code_is_that_of_the_look(home: Home) -> None:
    home.state.parent.mkdir()
    home.state.write_text("no folder")
    receiver = Receiver()
    try:
        with Path("/dev/full").open("w") as full:
            done = home.call("monitor", "nosuch", stdout=full, env={URLS: receiver.url})
        assert done.returncode == 3 and "cannot be printed: No space left" in done.stderr and len(receiver.heard) == 1
        with ending(home.start("monitor", "nosuch", "--every", "1s", "--json", env={URLS: receiver.url})) as process:
            assert process.stdout is not None
            for _ in range(2):
                (wrong,) = [one for one in json.loads(process.stdout.readline())["findings"] if one["level"] == "warn"]
                assert wrong["what"] == "memory" and "cannot be kept" in wrong["why"]
        assert len(receiver.heard) == 2, "once by each process"
    finally:
        receiver.close()


def test_what_the_monitor_was_asked_wrongly_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    assert "--every: found '10'; allowed" in call("monitor", "--every", "10")[2]
    code, _, why = call("monitor", "--every", "9999h")
    assert code == 2 and "--every: found 9999 h; allowed: at most 24 h" in why
    code, _, why = call("monitor", "--enrol")
    assert code == 2 and "--enrol: found no profile" in why
    path = home.folder / "config" / "pmm-tui" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"json://x\xff\n")
    path.chmod(0o600)
    code, _, why = call("monitor")
    assert code == 2 and f"{path}: found bytes that are no UTF-8" in why


def left_behind(path: Path) -> None:
    """A socket that nobody listens on any more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def test_a_dead_desk_with_a_long_path_goes_by_its_run_and_only_in_its_own_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch, XDG_RUNTIME_DIR="", XDG_STATE_HOME=str(home.folder / ("d" * 90)))
    profile, run = load(home.profile(SLOW)), "small-20261121-120000-abcd"
    path = socket_path(profile, run)
    assert path.parent.name.startswith("pmm-tui-") and len(str(path)) <= SOCKET_BYTES_MAX
    left_behind(path)
    code, out, _ = call("ps")
    assert code == 1 and out.splitlines()[1].split()[:2] == [run, "GONE:"]
    assert [(one.desk, one.level) for one in see(()).findings if one.what == "alive"] == [(run, "alarm")]
    long = "a-profile-with-a-rather-long-name-that-does-not-fit-into-any-socket-20261121-120000-abcd"
    cut = socket_path(profile, long)
    assert len(str(cut)) <= SOCKET_BYTES_MAX and long.startswith(run_of(cut))
    monkeypatch.setenv("XDG_STATE_HOME", str(home.folder / ("e" * 90)))
    assert call("ps")[1] == "no desk runs here\n" and not [one for one in see(()).findings if one.what == "alive"]


def test_who_names_a_desk_is_told_of_no_other(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    for run in ("small-20261121-120000-abcd", "other-20261121-120000-abcd"):
        left_behind(home.folder / "run" / "pmm-tui" / f"{run}.sock")
    assert {one.desk for one in see(["small"]).findings} == {"machine", "small", "small-20261121-120000-abcd"}
    assert {one.desk for one in see(["nosuch"]).findings} == {"machine", "nosuch"}


def of(frame: Frame) -> fleet.Seen:
    """A desk that shows this."""
    return fleet.Seen(frame.card.run, Path("x.sock"), frame)


def test_a_rehearsal_is_never_called_live_and_what_is_asked_first_is_told_as_not_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pictures.live()
    frame = replace(frame, card=replace(frame.card, source="loopback"))
    monkeypatch.setattr(shell, "running", lambda: [of(frame)])
    monkeypatch.setattr(shell, "find", lambda _: of(frame))
    shell.show_desks(as_json=False, drop=False)
    shell.show_desks(as_json=True, drop=False)
    assert health(frame).mode == "REHEARSAL" and health(pictures.live()).mode == "LIVE"
    for cmd in ("resume", "flatten"):
        with pytest.raises(ValueError, match="nothing was sent"):
            shell.direct("x", cmd, {}, lambda _: "no")
    said = capsys.readouterr().out
    assert "REHEARSAL" in said and not re.search(r"\bLIVE\b", said)
    assert f"REHEARSAL {frame.card.run}: would place quotes again\n" in said and ": would cancel what rests there, and sell " in said
    assert judge(fleet.Seen("x", Path("x.sock"), None), frame, Nanos(0))[0].why.startswith("REHEARSAL")


def test_a_killed_desk_is_not_called_well_in_the_same_breath() -> None:
    frame = pictures.killed()
    found = {one.what: one for one in judge(of(frame), frame, Nanos(0))}
    assert found["kill switch"].level == "alarm" and "killed" not in found["desk"].why


def test_what_nobody_checked_is_never_called_well_and_simulated_money_is_in_no_wallet() -> None:
    frame = pictures.live()
    risk = (*(row for row in frame.snapshot.risk if row.name != "wallet check"), RiskRow("wallet check", NOT_ASKED, "2", False))
    frame = replace(frame, snapshot=replace(frame.snapshot, risk=risk, feeds=()))
    found = {one.what: one for one in judge(of(frame), frame, Nanos(0))}
    assert (found["wallet check"].level, found["links"].level) == ("unasked", "unasked")
    assert str(found["wallet check"]).split()[0] == "unasked"
    paper = replace(frame, card=replace(frame.card, mode="PAPER", source="tape"))
    assert not {"wallet check", "links"} & {one.what for one in judge(of(paper), paper, Nanos(0))}


def test_who_reads_no_further_hears_no_complaint(home: Home) -> None:
    with home.start("profiles", "--reference") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait(30) == 0


class TestWatch:
    def test_bad_then_well_again(self) -> None:
        watch, bad, well = Watch(), Finding("run", "drawdown", "alarm", "21 %"), Finding("run", "drawdown", "ok", "3 %")
        second = iter(range(1, 100))

        def take(finding: Finding) -> str:
            return "".join(f"{line.level}: {line.text}" for line in watch.take(Look(Nanos(next(second) * 21 * SECOND), (finding,))))

        assert take(bad) == "alarm: run drawdown: 21 %"
        assert take(bad) == "", "said once"
        assert [take(well) for _ in range(CALM_LOOKS)] == ["", "recovered: run drawdown: well again after 63 s"]
        assert take(well) == ""

    def test_one_good_look_between_bad_ones_is_no_recovery(self) -> None:
        watch = Watch()
        for number, level in enumerate(("alarm", "ok", "alarm", "ok")):
            watch.take(Look(Nanos((number + 1) * SECOND), (Finding("run", "links", level, ""),)))
        assert "run:links" in watch.troubles

    @pytest.mark.parametrize(
        ("later", "said"),
        [
            (("lp-2", "alive", "ok", "lp"), "recovered: lp-1 kill switch: lp-2 runs now, after 2 s"),
            (("lp-1", "alive", "alarm", "lp"), ""),
            (("lp", "alive", "alarm", "lp"), ""),
            (("pa-1", "alive", "ok", "pa"), "info: lp-1 kill switch: the run is no longer here, and was not seen well, after 2 s"),
        ],
        ids=["a new run", "it is dead", "its profile does not run", "it has ended"],
    )
    def test_what_is_not_spoken_of_any_more_has_not_become_well(self, later: tuple[str, str, str, str], said: str) -> None:
        watch, told = Watch(), list[Line]()
        watch.take(Look(Nanos(SECOND), (Finding("lp-1", "kill switch", "alarm", "killed"),), {"lp-1": "lp"}))
        desk, what, level, profile = later
        for second in (2, 3):
            told += watch.take(Look(Nanos(second * SECOND), (Finding(desk, what, level, "why"),), {desk: profile}))
        assert [f"{one.level}: {one.text}" for one in told if "kill switch" in one.text] == ([said] if said else [])


def test_the_disk_is_looked_at_where_the_records_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = disk([tmp_path / "not" / "there"])
    assert str(tmp_path) in found.why
    monkeypatch.setattr("pmm_tui.runtime.monitor.DISK_LOW", (2**60, DISK_LOW[1]))
    assert disk([tmp_path])[0].level == "warn"
    monkeypatch.setattr("pmm_tui.runtime.monitor.DISK_LOW", (2**60, 2**60))
    assert disk([tmp_path])[0].level == "alarm"


class TestDoctor:
    def test_what_is_wrong_is_named_with_what_mends_it(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        home.enter(monkeypatch)
        config = home.folder / "config" / "pmm-tui"
        (config / "profiles").mkdir(parents=True)
        (config / "profiles" / "broken.yaml").write_text("levels: 99\n")
        (config / "alerts.txt").write_text("json://localhost\n")
        (config / "alerts.txt").chmod(0o644)
        (home.state / "latches").mkdir(parents=True)
        (home.state / "latches" / "prod-001.json").write_text("{}")
        with socket.socket(socket.AF_UNIX) as left:
            (home.folder / "run" / "pmm-tui").mkdir()
            left.bind(str(home.folder / "run" / "pmm-tui" / "x.sock"))
        code, out, _ = call("doctor", "--json")
        wrong = {one["what"]: one for one in json.loads(out) if not one["ok"]}
        assert code == 1 and {"profiles", "secrets", "alerts", "kill latches", "desks"} <= set(wrong)
        assert "broken" in wrong["profiles"]["found"] and "chmod 600" in wrong["secrets"]["mend"]
        assert "1 gone" in wrong["desks"]["found"] and "prod-001" in wrong["kill latches"]["found"]

    def test_what_cannot_be_told_or_is_left_out_is_no_ok(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        home.enter(monkeypatch, PATH="")
        out = call("doctor")[1]
        signs = {line.split()[1]: line.split()[0] for line in out.splitlines() if line[:1] != " "}
        assert (signs["clock"], signs["alerts"], signs["python"]) == ("note", "note", "ok")

    def test_a_terminal_that_cannot_draw_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("locale.getpreferredencoding", lambda _: "ANSI_X3.4-1968")
        assert [(one.ok, one.note) for one in doctor.terminal("braille") if one.what == "signs"] == [(False, False)]
        assert [(one.ok, one.note) for one in doctor.terminal("ascii") if one.what == "signs"] == [(True, True)]

    @pytest.mark.parametrize(("lang", "signs"), [("C", "ascii"), ("de_DE.UTF-8", "braille")])
    def test_it_says_what_the_console_draws_with_here(self, lang: str, signs: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        home.enter(monkeypatch, PATH="", TERM="xterm-256color", LANG=lang, LC_ALL="")
        monkeypatch.delenv("LC_CTYPE", raising=False)
        assert f" {signs}, written as " in call("doctor")[1]

    def test_the_packages_here_are_those_that_are_required(self) -> None:
        assert [one.found for one in doctor.program() if one.what == "packages"] == ["as required"]
