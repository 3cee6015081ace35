"""The commands for desks that run already, and what every command shares: each heavy import is made by the command that needs it."""

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

desks = typer.Typer()
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Run = Annotated[str, typer.Argument(help="A run (see `pmm-tui ps`), the beginning of its name, its profile, or its socket.")]
Market = Annotated[str, typer.Option(help="Only this market: a condition id.")]
Yes = Annotated[str, typer.Option(help="The run's name, instead of typing it when asked.")]


def finish(work: Callable[[], int]) -> None:
    """Run a command; what its user did wrong is one clear message and exit code 2, never a traceback."""
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has seen enough; the rest is flushed at the end
        code = 0
    except OSError as wrong:
        where = f": {wrong.filename}" if wrong.filename is not None else ""
        complain(f"{wrong.strerror or wrong}{where}")
        code = 2
    except ValueError as wrong:
        complain(str(wrong))
        code = 2
    raise typer.Exit(code)


def complain(text: str) -> None:
    """One message on stderr."""
    typer.echo(f"pmm-tui: {text}", err=True)


def progress(text: str) -> None:
    """What is begun now, for who waits at a terminal."""
    if sys.stderr.isatty():
        complain(text)


def refuse_misplaced(context: typer.Context) -> None:
    """An option before a command is none of that command's: what it was to forbid would be allowed in silence."""
    sources = {one: context.get_parameter_source(one.name or "") for one in context.command.params}
    given = [one for one, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        names = ", ".join(max(one.opts, key=len) for one in given)
        what = context.invoked_subcommand
        complain(f"{names} before {what}: counts for nothing there; what {what} takes stands after it (pmm-tui {what} --help)")
        raise typer.Exit(2)


@desks.command()
def ps(
    as_json: AsJson = False,
    forget: Annotated[bool, typer.Option("--forget", help="Remove what desks that were killed or crashed left behind.")] = False,
) -> None:
    """List the desks that run on this machine."""

    def work() -> int:
        from pmm_tui.runtime.shell import show_desks

        return show_desks(as_json, forget)

    finish(work)


@desks.command()
def kill(run: Run, reason: Annotated[str, typer.Option(help="Why, for the journal.")] = "from a shell") -> None:
    """Trip a desk's kill switch and wait until the venue shows no order. Asks nothing."""

    def work() -> int:
        from pmm_tui.runtime.shell import pull_kill

        return pull_kill(run, reason)

    finish(work)


def _direct(run: str, cmd: str, args: dict[str, str | int | float | bool], yes: str = "") -> None:
    def work() -> int:
        from pmm_tui.runtime.shell import direct

        return direct(run, cmd, args, input if sys.stdin.isatty() else None, yes)

    finish(work)


@desks.command()
def cancel(profile: Annotated[str, typer.Argument(help="A profile of mode live, by its name or file.")]) -> None:
    """Cancel every order of a profile's account at the venue, with a desk or without one. Asks nothing; a desk that runs places anew."""

    def work() -> int:
        from pmm_tui.runtime.start import password
        from pmm_tui.runtime.venue_key import cancel_orders

        return cancel_orders(profile, password)

    finish(work)


@desks.command()
def pause(run: Run, market: Market = "") -> None:
    """Pull a desk's quotes. Asks nothing."""
    _direct(run, "pause", {"market": market})


@desks.command()
def resume(run: Run, market: Market = "", yes: Yes = "") -> None:
    """Let a desk quote again, after its name was typed."""
    _direct(run, "resume", {"market": market}, yes)


@desks.command()
def flatten(
    run: Run,
    market: Market = "",
    passive: Annotated[bool, typer.Option("--passive", help="Rest at the touch instead of crossing the spread.")] = False,
    yes: Yes = "",
) -> None:
    """Cancel, then sell what a desk holds, after its name was typed."""
    _direct(run, "flatten", {"market": market, "passive": passive}, yes)


@desks.command()
def ack(run: Run) -> None:
    """Tell a desk that its operator is there."""
    _direct(run, "ack", {})


@desks.command()
def preflight(
    profile: Annotated[str, typer.Option("--profile", "-p", help="A profile of mode live, by its name or file.")], as_json: AsJson = False
) -> None:
    """Check what must be so before real money: the venue, the key, the limits, an order placed and cancelled, a kill. Valid for today."""

    def work() -> int:
        from pmm_tui.runtime.preflight import preflight as check
        from pmm_tui.runtime.start import password

        return check(profile, password, as_json)

    finish(work)


@desks.command()
def monitor(
    wanted: Annotated[list[str] | None, typer.Argument(help="Profiles (a name or file) or runs that must be running.")] = None,
    every: Annotated[str, typer.Option(help="Look again after this long, for ever: 10s, 1m. Without it: one look.")] = "",
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what is not well.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Send a test message to every alert channel, and look at nothing.")] = False,
    enrol: Annotated[bool, typer.Option("--enrol", help="Keep the named profiles' API key to ask the venue by; look at nothing.")] = False,
) -> None:
    """Look at the desks, the venue and the chain, and alert. Exit code of one look: 0 well, 4 not all was asked, 1 warning, 3 alarm."""

    def work() -> int:
        if enrol and not wanted:
            raise ValueError("--enrol: found no profile; allowed: pmm-tui monitor --enrol PROFILE...")
        if enrol:
            from pmm_tui.runtime.start import password
            from pmm_tui.runtime.venue_key import enrol as keep

            return keep(wanted or [], password)
        from pmm_tui.runtime.monitor import monitor as look
        from pmm_tui.runtime.monitor import try_channels
        from pmm_tui.runtime.places import duration_s

        return try_channels() if test else look(wanted or [], duration_s(every, "--every"), as_json, quiet)

    finish(work)


@desks.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what on this machine keeps the program from working well, and how to mend it. Exit code 1 where something does."""

    def work() -> int:
        from pmm_tui.runtime.doctor import doctor as look
        from pmm_tui.tui.charset import drawable

        return look(drawable(os.environ, bool(sys.flags.utf8_mode)), as_json)

    finish(work)


@desks.command()
def unit(
    profile: Annotated[str, typer.Option("--profile", "-p", help="The profile whose desk it runs.")],
    user: Annotated[str, typer.Option(help="The user it runs as.")] = getpass.getuser(),
    drop_in: Annotated[bool, typer.Option("--drop-in", help="The drop-in that says yes to real money.")] = False,
) -> None:
    """Print a systemd unit that runs a profile's desk."""

    def work() -> int:
        from pmm_tui.runtime.unit import show_unit

        return show_unit(profile, user, drop_in)

    finish(work)


@desks.command(hidden=True)
def playback(run: Path, socket: Path, speed: str = "1") -> None:
    """A finished run on a socket of its own: what `replay RUN --ui` looks at."""

    def work() -> int:
        from pmm_tui.runtime.playback import play_run

        return play_run(run, socket, speed)

    finish(work)


@desks.command()
def compare(
    runs: Annotated[tuple[Path, Path], typer.Argument(help="The folders of two runs.")],
    as_json: AsJson = False,
    above: Annotated[float, typer.Option(help="A figure this many times apart, either way, is an alarm.", min=1.0)] = 2.0,
    least: Annotated[int, typer.Option(help="Independent samples a figure needs before it is judged.", min=2)] = 30,
    by_minute: Annotated[
        bool, typer.Option("--by-minute", help="Not in the stretches that a console shows, which grow with a run.")
    ] = False,
) -> None:
    """Lay two runs side by side, paper and production: each figure, their ratio with its interval, and what diverges (exit code 1)."""

    def work() -> int:
        from pmm_tui.runtime.comparing import compare_runs

        return compare_runs(*runs, as_json, above, least, by_minute)

    finish(work)


@desks.command()
def web(
    runs: Annotated[list[str], typer.Argument(help="One desk or two: as for `pmm-tui kill`.")],
    port: Annotated[int, typer.Option(help="On 127.0.0.1.", min=1, max=65535)] = 8000,
) -> None:
    """Serve the console to a browser on this machine, read only."""

    def work() -> int:
        from pmm_tui.cli_web import serve
        from pmm_tui.runtime.fleet import find

        return serve([find(run).socket for run in runs], port)

    finish(work)
