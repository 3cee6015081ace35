"""The command line. Everything heavy is imported by the command that needs it, so that --version, --help and completion answer at once."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pmm_tui import __version__

app = typer.Typer(
    name="pmm-tui",
    help="A terminal trading console for market making on Polymarket: paper and production, one engine.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Profile = Annotated[str, typer.Option("--profile", "-p", help="A profile's name (see `pmm-tui profiles`) or the path of its YAML file.")]
Speed = Annotated[str, typer.Option(help="How fast a tape is played: 1, 10, any factor, or max.")]
Duration = Annotated[str, typer.Option(help="End by itself after this long: 90s, 30m, 2h.")]
Logs = Annotated[
    Path | None,
    typer.Option(help="Folder of the runs' records; else the profile's, else logs/ in a checkout, else the user's state folder."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pmm-tui {__version__}")
        raise typer.Exit


def _exit(work: Callable[[], int]) -> None:
    """Run a command; what its user did wrong is one clear message and exit code 2, never a traceback."""
    try:
        code = work()
    except (ValueError, OSError) as wrong:
        typer.echo(f"pmm-tui: {wrong}", err=True)
        code = 2
    raise typer.Exit(code)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    profile: Profile = "",
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Run the desk here without a console, structured log lines on stderr.")] = False,
    speed: Speed = "",
    duration: Duration = "",
    logs: Logs = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the desk running when the console is quit.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Start a desk and its console: `pmm-tui --profile demo`."""
    if context.invoked_subcommand is not None:
        return
    if not profile:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    if not no_ui and not (sys.stdin.isatty() and sys.stdout.isatty()):
        typer.echo("pmm-tui: there is no terminal here; use --no-ui", err=True)
        raise typer.Exit(2)

    def work() -> int:
        from pmm_tui.runtime.start import Options, headless, launch

        options = Options(profile=profile, speed=speed, duration=duration, logs=logs)
        if no_ui:
            return headless(options)
        from pmm_tui.tui.app import run

        return run(launch(options).socket, keep=keep)

    _exit(work)


@app.command(hidden=True)
def desk(profile: Profile, run: str = "", speed: Speed = "", duration: Duration = "", logs: Logs = None) -> None:
    """One desk in this process, seen only through its api: what a console starts."""

    def work() -> int:
        from pmm_tui.runtime.start import Options, headless

        return headless(Options(profile=profile, speed=speed, duration=duration, logs=logs, run=run), to_stderr=False)

    _exit(work)


@app.command()
def attach(socket: Annotated[Path, typer.Argument(help="A running desk's socket.")]) -> None:
    """Open a console on a desk that runs already; quitting leaves the desk running."""

    def work() -> int:
        from pmm_tui.tui.app import run

        return run(socket, keep=True)

    _exit(work)


@app.command()
def record(
    tape: Annotated[Path, typer.Argument(help="The tape to write, such as today.tape.zst; an existing file is never overwritten.")],
    profile: Profile = "run-007",
    duration: Duration = "",
) -> None:
    """Write a tape of raw live frames of a profile's markets."""

    def work() -> int:
        from pmm_tui.runtime.recorder import record_tape

        return record_tape(profile, tape, duration)

    _exit(work)


@app.command()
def replay(
    source: Annotated[Path, typer.Argument(help="A tape, or the folder of a finished run.")],
    profile: Annotated[str, typer.Option("--profile", "-p", help="For a tape: the profile whose desk plays it.")] = "demo",
    logs: Logs = None,
) -> None:
    """Play a TAPE through a desk, or prove a finished RUN: its journal must give the same commands and digest, byte for byte."""

    def work() -> int:
        from pmm_tui.runtime.replaying import play_tape, prove_run

        return prove_run(source) if source.is_dir() else play_tape(source, profile, logs)

    _exit(work)


@app.command()
def profiles(as_json: AsJson = False) -> None:
    """List the profiles and check each."""

    def work() -> int:
        from pmm_tui.runtime.listing import show_profiles

        return show_profiles(as_json)

    _exit(work)


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(help="How many seeds to run.", min=1)] = 100,
    first: Annotated[int, typer.Option(help="The first seed.", min=0)] = 0,
    jobs: Annotated[int, typer.Option(help="Processes side by side; 0: one for each core.", min=0)] = 0,
) -> None:
    """Run the seeded simulation: made-up and taped markets, troubles, and invariants after every step."""

    def work() -> int:
        from pmm_tui.runtime.simulating import simulate_seeds

        return simulate_seeds(first, seeds, jobs)

    _exit(work)


@app.command()
def bench(
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the work: for a look, not for a record.")] = False,
) -> None:
    """Measure this machine: decoding, books, decisions, replay, memory, start-up."""

    def work() -> int:
        from pmm_tui.runtime.bench import run_bench

        return run_bench(as_json, quick)

    _exit(work)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="The folder of a run.")], as_json: AsJson = False) -> None:
    """Print a run's summary from its journal."""

    def work() -> int:
        from pmm_tui.runtime.replaying import show_report

        return show_report(run, as_json)

    _exit(work)


def main() -> None:
    """The program."""
    app()
