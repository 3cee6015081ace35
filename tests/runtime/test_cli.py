"""The command line: the demo to its end, proofs that hold and that do not, and mistakes that get one clear line."""

import json
import os
import pty
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pmm_tui import __version__
from pmm_tui.cli import app
from pmm_tui.record.lines import seal
from pmm_tui.record.tape import GAMMA, read_tape
from tests.runtime.scene import DEMO_TAPE, PROFILE, Home, cut_tape, journaled, logged

Demo = tuple[Home, subprocess.CompletedProcess[str]]


def payouts() -> dict[str, float]:
    """What each market of the demo's tape paid, by the venue's own words."""
    said = [json.loads(frame.raw) for frame in read_tape(DEMO_TAPE) if frame.channel == GAMMA]
    return {one["slug"]: float(json.loads(one["outcomePrices"])[0]) for one in said if one["closed"]}


def test_the_demo_ends_by_itself_with_every_market_at_its_payout(demo: Demo) -> None:
    home, ended = demo
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((home.run_folder() / "summary.json").read_text())
    paid = {one["slug"]: one["payout_yes"] / 10_000 for one in summary["markets"]}
    assert paid == payouts()
    assert len(paid) == 9
    assert summary["fills"] > 50 and summary["phase"] == "ok"
    assert all(one["yes"] == one["no"] == 0 for one in summary["markets"]), "what was held was paid out"
    assert summary["profit"] == sum(one["realised"] for one in summary["markets"]) - summary["fees"] - summary["adverse"]
    assert "time quoting" in ended.stdout and "btc-updown-15m-1790593200" in ended.stdout


def test_the_demos_records_are_all_there_and_private(demo: Demo) -> None:
    folder = demo[0].run_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(("journal.jsonl", "trades.jsonl", "live_state.json", "run.log", "summary.json"), 0o600)
    trades = [json.loads(line) for line in (folder / "trades.jsonl").read_text().splitlines()]
    assert (
        len({(one["trade"], one["order"]) for one in trades}) == len(trades) == json.loads((folder / "summary.json").read_text())["fills"]
    )
    state = json.loads((folder / "live_state.json").read_text())
    assert (state["card"]["run"], state["card"]["tape_position"], state["snapshot"]["orders"]) == (folder.name, 1.0, [])
    events = [line["event"] for line in logged(folder)]
    assert events[0] == "run started" and events[-1] == "run ended"
    assert {line["desk"] for line in logged(folder)} == {"P"}


def test_the_log_on_stderr_is_that_of_the_file(demo: Demo) -> None:
    home, ended = demo
    assert ended.stderr == (home.run_folder() / "run.log").read_text()


def test_a_finished_run_is_proven(demo: Demo) -> None:
    home, _ = demo
    folder = home.run_folder()
    proof = home.call("replay", folder)
    assert (proof.returncode, proof.stderr) == (0, "")
    assert f"proven: {len(journaled(folder)) - 2} entries gave the same commands, and the state has the same digest" in proof.stdout


@pytest.fixture(scope="module")
def short_run(short_tape: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run that ended in order."""
    home = Home(tmp_path_factory.mktemp("short"))
    ended = home.call("replay", short_tape, "--profile", home.profile(PROFILE), "--logs", home.logs)
    assert ended.returncode == 0, ended.stderr
    (home.run_folder() / "printed").write_text(ended.stdout)
    return home.run_folder()


@pytest.fixture
def finished(home: Home, short_run: Path) -> Path:
    """A copy of it, to be spoiled."""
    return shutil.copytree(short_run, home.logs / short_run.name)


def test_a_report_is_the_page_that_the_run_ended_with_and_as_json_its_summary(home: Home, finished: Path) -> None:
    printed = home.call("report", finished)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout == (finished / "printed").read_text()
    as_json = home.call("report", finished, "--json")
    assert json.loads(as_json.stdout) == json.loads((finished / "summary.json").read_text())


def test_one_changed_byte_is_refused_with_its_place(home: Home, finished: Path) -> None:
    live = finished / "journal.jsonl"
    lines = live.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"type":"Place"' in line)
    lines[at] = lines[at].replace(b'"size":', b'"sixe":', 1)
    live.write_bytes(b"".join(lines))
    for command in ("replay", "report"):
        refused = home.call(command, finished)
        assert refused.returncode == 2
        assert f"{live}: line {at + 1}, seq {at}: the line is damaged" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_changed_command_is_named_even_where_the_journal_was_sealed_anew(home: Home, finished: Path) -> None:
    live = finished / "journal.jsonl"
    lines = live.read_bytes().splitlines()
    at = next(i for i, line in enumerate(lines) if b'"type":"Place"' in line)
    crc, forged = 0, []
    for seq, line in enumerate(lines):
        body = line[line.index(b'",') + 2 :]
        if seq == at:
            body = body.replace(b'"side":"BUY"', b'"side":"SELL"', 1)
        crc, sealed = seal(body, seq, crc)
        forged.append(sealed)
    live.write_bytes(b"".join(forged))
    refused = home.call("replay", finished)
    assert refused.returncode == 1
    assert f"DIFFERS at seq {at} (" in refused.stdout
    assert '"side":"SELL"' in refused.stdout.split("recorded: ")[1].split("\n")[0]


def test_a_run_that_was_cut_short_is_reported_as_far_as_it_goes(home: Home, finished: Path) -> None:
    live = finished / "journal.jsonl"
    live.write_bytes(live.read_bytes()[:-200])
    proof = home.call("replay", finished)
    assert proof.returncode == 0
    assert "the run did not end in order" in proof.stdout and "torn tail left out" in proof.stdout
    printed = home.call("report", finished)
    assert printed.returncode == 0
    assert "did not end in order" in printed.stderr and "bytes after the last whole line" in printed.stderr


Mistakes = dict[str, tuple[str, str]]
WRONG: Mistakes = {
    "a profile that is not there": ("--profile dmeo --no-ui", "did you mean demo?"),
    "a profile with a wrong key": ("--profile {home}/wrong.yaml --no-ui", "wrong.yaml:2: fill_probabilty: found an unknown key"),
    "a profile for real money": ("--profile {home}/money.yaml --no-ui", "no key: make a keystore with `pmm-tui key`"),
    "three desks": ("--profile demo --profile demo --profile run-007 --no-ui", "desks: found demo, demo, run-007; allowed: one, or two"),
    "no profile file": ("--profile {home}/none.yaml --no-ui", "none.yaml', which is no such file"),
    "a speed in words": ("--profile demo --no-ui --speed fast", "speed: found 'fast'; allowed: a number"),
    "no speed at all": ("--profile demo --no-ui --speed 0", "speed: found '0'"),
    "a speed that is no number": ("--profile demo --no-ui --speed nan", "speed: found 'nan'"),
    "a duration without a unit": ("--profile demo --no-ui --duration 30", "--duration: found '30'; allowed: a number above 0 with s, m"),
    "no duration at all": ("--profile demo --no-ui --duration 0s", "--duration: found '0s'"),
    "a folder below a file": ("--profile demo --no-ui --logs {home}/wrong.yaml/logs", "Not a directory: {home}/wrong.yaml/logs"),
    "a fill model that the tape cannot feed": ("replay {tape} --profile {home}/queue.yaml", "book snapshots without trades"),
    "a tape that is not there": ("replay {home}/none.zst", "none.zst', which is no file"),
    "a tape that is none": ("replay {home}/wrong.yaml", "wrong.yaml: damaged after line 0"),
    "a run without a journal": ("replay {home}", "{home}: no journal here"),
    "a report of nothing": ("report {home}/none", "No such file or directory: {home}/none"),
    "a tape that is there already": ("record {tape} --profile run-007", "File exists: {tape}"),
    "a run's name that leads elsewhere": ("desk --profile demo --run ../x --logs {home}", "--run: found '../x'"),
    "a console without a terminal": ("--profile demo", "there is no terminal here; use --no-ui"),
    "attaching without a terminal": ("attach {home}/none.sock", "there is no terminal here"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_gets_one_clear_line_and_exit_code_2(home: Home, short_tape: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    home.enter(monkeypatch)
    home.profile("source: tape\nfill_probabilty: 0.5\ntape: demo\n", "wrong")
    home.profile("mode: live\n", "money")
    home.profile("source: tape\ntape: demo\nfill_model: queue\n", "queue")
    words, said = (text.format(home=home.folder, tape=short_tape) for text in WRONG[case])
    before = set(home.folder.iterdir())
    ended = CliRunner().invoke(app, words.split() + (["--logs", str(home.logs)] if words.startswith("replay") else []))
    assert ended.exit_code == 2
    assert isinstance(ended.exception, SystemExit), "nothing was raised that a user would see as a traceback"
    assert ended.stderr.startswith("pmm-tui: ") and said in ended.stderr
    assert set(home.folder.iterdir()) == before, "nothing of a run exists that could not be started"


def test_attaching_to_nothing_says_so(home: Home) -> None:
    shell, terminal = pty.openpty()
    try:
        ended = home.call("attach", home.folder / "none.sock", stdin=terminal, stdout=terminal)
    finally:
        os.close(shell)
        os.close(terminal)
    assert (ended.returncode, ended.stderr) == (2, f"pmm-tui: no desk here: {home.folder}/none.sock is no socket\n")


def test_a_profile_by_a_relative_path_and_a_damaged_tape(home: Home, short_tape: Path) -> None:
    """The run of a tape that is damaged in its middle ends in order, as broken."""
    raw = bytearray(short_tape.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    (home.folder / "damaged.zst").write_bytes(raw)
    home.profile(PROFILE)
    ended = home.call(
        "replay", "damaged.zst", "--profile", "./small.yaml", "--logs", "logs", cwd=home.folder, env={"PYTHONPATH": str(Path.cwd())}
    )
    assert ended.returncode == 3
    folder = home.run_folder()
    failed = next(line for line in logged(folder) if line["event"] == "the tape failed")
    assert failed["why"].startswith("TapeCorrupt: damaged.zst: damaged after line ")
    assert home.call("replay", folder).returncode == 0, "what was recorded of it is whole"


def test_queue_plays_a_tape_with_trades(home: Home) -> None:
    tape = cut_tape(home.folder / "t.zst", 300, trades=True)
    profile = home.profile("source: live\nfill_model: queue\n")
    ended = home.call("replay", tape, "--profile", profile, "--speed", "100000", "--logs", home.logs)
    assert ended.returncode == 0, ended.stderr
    header = journaled(home.run_folder())[0]["header"]
    assert (header["source"], header["tape"], header["paper"]["fill_model"]) == ("tape", "t.zst", "queue")


def test_profiles_lists_and_checks(home: Home) -> None:
    fine = home.call("profiles")
    assert fine.returncode == 0
    assert [line.split()[:2] for line in fine.stdout.splitlines()][:3] == [[name, "valid"] for name in ("demo", "demo-live", "local-prod")]
    own = home.folder / "config" / "pmm-tui" / "profiles"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("levels: many\n")
    wrong = home.call("profiles")
    assert wrong.returncode == 1
    assert f"{own}/mine.yaml:1: levels: found 'many'" in wrong.stdout
    listed = {one["name"]: one for one in json.loads(home.call("profiles", "--json").stdout)}
    assert listed["mine"]["complaints"][0]["line"] == 1
    assert not listed["demo"]["complaints"]


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["report", "--help"], []], ids=["version", "help", "a command's help", "completion"]
)
def test_what_must_answer_at_once_imports_nothing_of_the_program(home: Home, words: list[str]) -> None:
    completing = {"_PMM_TUI_COMPLETE": "complete_bash", "COMP_WORDS": "pmm-tui re", "COMP_CWORD": "1"} if not words else {}
    code = (
        "import atexit, sys; from pmm_tui.cli import app; "
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); app(prog_name='pmm-tui')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], env=os.environ | home.env | completing, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    loaded = ended.stderr.split()
    lines = {f"pmm_tui.{name}" for name in ("cli", "cli_console", "cli_desks")}
    assert {name for name in loaded if name.startswith("pmm_tui")} == {"pmm_tui"} | lines
    assert not {"asyncio", "msgspec", "textual", "rich.console", "httpx", "uvicorn", "yaml"} & set(loaded)
    assert {"--version": __version__, "--help": "replay", "report": "folder of a run"}.get(
        words[0] if words else "", "record\nreplay\nreport"
    ) in ended.stdout


BEFORE = {
    "--profile": ["demo"], "--no-ui": [], "--speed": ["1"], "--duration": ["1s"], "--logs": ["x"], "--live": [], "--confirm": ["abcd"],
    "--keep": [], "--read-only": [], "--allow-kill": [], "--low-bandwidth": [], "--fps": ["4"], "--no-mouse": [], "--symbols": ["ascii"],
}  # fmt: skip
"""Every option of the program itself, as it could be given; --version answers and ends."""


def test_every_option_of_the_program_itself_is_tried_before_a_command() -> None:
    named = {max(one.opts, key=len) for one in get_command(app).params}
    assert named - {"--version", "--install-completion", "--show-completion", "--help"} == set(BEFORE)


@pytest.mark.parametrize("option", BEFORE)
def test_an_option_before_a_command_is_refused_by_its_name_and_never_ignored(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmm_tui.cli._needs_terminal", lambda: pytest.fail("a console would open"))
    result = CliRunner().invoke(app, [option, *BEFORE[option], "attach", "a-run"])
    assert result.exit_code == 2 and result.stderr.startswith(f"pmm-tui: {option} before attach: ")
