"""The command line. Everything heavy is imported by the command that needs it, so that --version, --help and completion answer at once."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pmm_tui import __version__
from pmm_tui.cli_console import AllowKill, Drawn, Fps, Keep, LowBandwidth, NoMouse, ReadOnly, check_settings, console, one_or_two
from pmm_tui.cli_desks import AsJson, complain, desks, finish, progress, refuse_misplaced

app = typer.Typer(
    name="pmm-tui",
    help="A terminal trading console for market making on Polymarket: paper and production, one engine.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Profile = Annotated[str, typer.Option("--profile", "-p", help="A profile's name (see `pmm-tui profiles`) or the path of its YAML file.")]
Speed = Annotated[str, typer.Option(help="How fast a tape is played: 1, 10, any factor, or max.")]
Duration = Annotated[str, typer.Option(help="End by itself after this long: 90s, 30m, 2h.")]
Logs = Annotated[
    Path | None,
    typer.Option(help="Folder of the runs' records; else the profile's, else logs/ in a checkout, else the user's state folder."),
]
Live = Annotated[bool, typer.Option("--live", help="Yes, real money: what a profile of mode live needs to start.")]
Confirm = Annotated[str, typer.Option(help="The last four characters of the wallet, instead of typing them when asked.")]


ENDING_S = 10.0
"""How long a console that was quit waits for its desk to end."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pmm-tui {__version__}")
        raise typer.Exit


def _needs_terminal(instead: str) -> None:
    if "TEXTUAL_DRIVER" not in os.environ and not (sys.stdin.isatty() and sys.stdout.isatty()):  # set: a browser is the terminal
        complain(f"there is no terminal here; {instead}")
        raise typer.Exit(2)


app.add_typer(desks)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    profile: Annotated[
        list[str] | None, typer.Option("--profile", "-p", help="A profile's name or file (`pmm-tui profiles`); again for a second desk.")
    ] = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Run the desk here without a console, structured log lines on stderr.")] = False,
    speed: Speed = "",
    duration: Duration = "",
    logs: Logs = None,
    live: Live = False,
    confirm: Confirm = "",
    keep: Keep = False,
    read_only: ReadOnly = False,
    allow_kill: AllowKill = False,
    low_bandwidth: LowBandwidth = False,
    fps: Fps = 0,
    no_mouse: NoMouse = False,
    symbols: Drawn = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Start a desk and its console: `pmm-tui --profile demo`."""
    if context.invoked_subcommand is not None:
        refuse_misplaced(context)
        return
    if not profile:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    if not no_ui:
        _needs_terminal("use --no-ui")

    def work() -> int:
        from pmm_tui.runtime.demo import beside
        from pmm_tui.runtime.fleet import goes_on
        from pmm_tui.runtime.start import Options, headless, launch_all

        named = one_or_two(profile, alike=True)
        wanted = [Options(one, speed=speed, duration=duration, logs=logs, live=live, confirm=confirm) for one in named]
        if no_ui:
            if len(wanted) > 1:
                raise ValueError("--no-ui runs one desk here; start the second one by itself")
            return headless(wanted[0])
        check_settings()
        with beside(wanted, progress) as shown:
            desks = launch_all(shown.wanted, progress)
            shown.hand_over([desk.process.pid for desk in desks])
            progress("opening the console; keys count once it shows a desk")
            cut_off = console(
                [desk.socket for desk in desks], keep=keep, read_only=read_only, allow_kill=allow_kill, low_bandwidth=low_bandwidth,
                fps=fps, no_mouse=no_mouse, symbols=symbols, logs=logs,
            )  # fmt: skip
            for desk in desks:
                stays = keep or bool(cut_off) or (desk.real and goes_on(desk.socket))
                if read_only and not stays:
                    desk.process.terminate()  # a console that may only look did not ask it to stop
                if not desk.ended(0.0 if stays else ENDING_S):
                    typer.echo(f"the desk {desk.run} goes on; to see it again: pmm-tui attach {desk.socket}")
        return cut_off

    finish(work)


@app.command(hidden=True)
def desk(
    profile: Profile,
    run: str = "",
    speed: Speed = "",
    duration: Duration = "",
    logs: Logs = None,
    keys_on_stdin: bool = False,
    start_at: float = 0.0,
    live: Live = False,
    confirm: Confirm = "",
    owned: bool = False,
) -> None:
    """One desk in this process, seen only through its api: what a console starts."""

    def work() -> int:
        from pmm_tui.runtime.start import Options, headless

        options = Options(profile, speed, duration, logs, run=run, live=live, confirm=confirm, start_at_s=start_at, owned=owned)
        return headless(options, to_stderr=False, keys_in=sys.stdin.buffer if keys_on_stdin else None)

    finish(work)


@app.command()
def attach(
    runs: Annotated[list[str], typer.Argument(help="A run (see `pmm-tui ps`), its profile, or its socket; again for a second desk.")],
    read_only: ReadOnly = False,
    allow_kill: AllowKill = False,
    low_bandwidth: LowBandwidth = False,
    fps: Fps = 0,
    no_mouse: NoMouse = False,
    symbols: Drawn = None,
) -> None:
    """Open a console on desks that run already; quitting leaves them running."""
    _needs_terminal("`pmm-tui ps` lists what runs")

    def work() -> int:
        for run in runs:
            if "/" in run and not Path(run).is_socket():
                raise ValueError(f"no desk here: {run} is no socket")
        from pmm_tui.runtime.fleet import find

        return console(
            one_or_two([find(run).socket for run in runs]), keep=True, read_only=read_only, allow_kill=allow_kill,
            low_bandwidth=low_bandwidth, fps=fps, no_mouse=no_mouse, symbols=symbols,
        )  # fmt: skip

    finish(work)


@app.command()
def locate(what: Annotated[str, typer.Argument(help="config, profiles or state.")] = "config") -> None:
    """Print where the console's settings are, the user's profiles, or what was copied and exported."""

    def work() -> int:
        from pmm_tui.cli_console import place

        typer.echo(str(place(what)))
        return 0

    finish(work)


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

    finish(work)


@app.command()
def replay(
    source: Annotated[Path, typer.Argument(help="A tape, or the folder of a finished run.")],
    profile: Annotated[str, typer.Option("--profile", "-p", help="For a tape: the profile whose desk plays it.")] = "demo",
    speed: Annotated[str, typer.Option(help="For a tape: how fast it is played; max where not given.")] = "",
    logs: Logs = None,
    ui: Annotated[bool, typer.Option("--ui", help="For a run: play it through the console's screens, to hold, step and seek.")] = False,
) -> None:
    """Play a TAPE through a desk, or prove a finished RUN: its journal must give the same commands and digest, byte for byte."""

    if ui:
        _needs_terminal("without --ui the replay is told in lines")

    def work() -> int:
        if ui:
            from pmm_tui.runtime.playback import opened

            with opened(source, speed) as socket:
                return console([socket])
        from pmm_tui.runtime.replaying import play_tape, prove_run

        return prove_run(source) if source.is_dir() else play_tape(source, profile, speed, logs)

    finish(work)


@app.command()
def profiles(
    as_json: AsJson = False,
    explain: Annotated[bool, typer.Option("--reference", help="Print every parameter with its default, bounds and meaning.")] = False,
) -> None:
    """List the profiles and check each."""

    def work() -> int:
        from pmm_tui.runtime.listing import reference, show_profiles

        if explain:
            typer.echo(reference())
            return 0
        return show_profiles(as_json)

    finish(work)


@app.command()
def exchange(
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0: any that is free.", min=0, max=65535)] = 8700,
    tape: Annotated[str, typer.Option(help="A tape whose orders the others send: `demo`, or a file; else a made-up crowd.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the crowd and of settlement.", min=0)] = 1,
    speed: Annotated[float, typer.Option(help="How many of the tape's seconds pass in one.", min=0.001, max=1000)] = 1.0,
    start_at: Annotated[float, typer.Option(help="Begin this many seconds into the tape.", min=0)] = 0.0,
    faults: Annotated[Path | None, typer.Option(help="A YAML script of what shall go wrong.")] = None,
    fund: Annotated[list[str] | None, typer.Option(help="ADDRESS=DOLLARS: what a wallet holds; again for more.")] = None,
    grant: Annotated[str, typer.Option(help="Dollars that every wallet gets with its first key.")] = "1000",
    limits: Annotated[str, typer.Option(help="The venue's rate limits: off, warn (counted and told in headers) or on.")] = "off",
    chain: Annotated[bool, typer.Option("--chain", help="Settle on a local EVM node (anvil), whose URL stands on that line, too.")] = False,
    bare: Annotated[bool, typer.Option(help="With --chain: wallets get money, but allow nothing until `pmm-tui wallet approve`.")] = False,
    owned: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Polymarket on this machine: the CLOB's real protocol over real sockets, and no money. The first line on stdout tells the port."""

    def work() -> int:
        from pmm_tui.runtime.exchanging import Wish, run_exchange

        return run_exchange(Wish(port, tape, seed, speed, start_at, faults, tuple(fund or ()), grant, chain, limits, owned, bare))

    finish(work)


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(help="How many seeds to run.", min=1)] = 100,
    first: Annotated[int, typer.Option(help="The first seed.", min=0)] = 0,
    jobs: Annotated[int, typer.Option(help="Processes side by side; 0: one for each core.", min=0)] = 0,
    venue: Annotated[str, typer.Option(help="paper, or clob: the production desk against the exchange and its faults.")] = "paper",
) -> None:
    """Run the seeded simulation: made-up and taped markets, troubles, and invariants after every step."""

    def work() -> int:
        from pmm_tui.runtime.simulating import simulate_seeds

        return simulate_seeds(first, seeds, jobs, venue)

    finish(work)


@app.command()
def drill(
    kills: Annotated[int, typer.Option(help="How often the desk is killed.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the moments.", min=0)] = 1,
    within: Annotated[float, typer.Option(help="A desk that is up is killed within so many seconds.", min=0.01, max=60)] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Kill -9 the production desk at random moments, on an exchange of its own, and prove each time that nothing was lost or forgotten."""

    def work() -> int:
        from pmm_tui.runtime.crashing import run_drill

        return run_drill(kills, seed, within, as_json)

    finish(work)


@app.command()
def bench(
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the work: for a look, not for a record.")] = False,
    api: Annotated[bool, typer.Option("--api", help="Only what a crowd of slow clients costs a desk.")] = False,
    ui: Annotated[bool, typer.Option("--ui", help="Only what the console costs, in a terminal of its own with two desks.")] = False,
    minutes: Annotated[float, typer.Option("--minutes", help="With --ui: so long at 10x; memory, and whether an event was dropped.")] = 0.0,
    stall: Annotated[bool, typer.Option("--stall", help="Only what a terminal that nobody reads does to two desks under load.")] = False,
) -> None:
    """Measure this machine: decoding, books, decisions, replay, memory, start-up."""

    def work() -> int:
        if stall:
            from pmm_tui.cli_bench import bench_stall

            return bench_stall(as_json, quick)
        if ui:
            from pmm_tui.cli_bench import bench_ui

            return bench_ui(as_json, quick, minutes)
        from pmm_tui.runtime.bench import run_bench

        return run_bench(as_json, quick, api)

    finish(work)


@app.command()
def api(
    what: Annotated[str, typer.Argument(help="serve; or print openapi, asyncapi, grafana (dashboard), alerts (Prometheus).")] = "serve",
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0: any that is free. Told on stdout.", min=0, max=65535)] = 8501,
    paper: Annotated[str, typer.Option(help="The desk that needs no suffix: a run, profile or socket; else the newest paper desk.")] = "",
    prod: Annotated[str, typer.Option(help="The desk whose paths end in /prod; else the newest with real money.")] = "",
    token_file: Annotated[str, typer.Option(help="The bearer token's private file; else api.token in the configuration folder.")] = "",
) -> None:
    """Serve a paper and a production desk behind one port of 127.0.0.1, such as /api/state and /api/state/prod."""

    def work() -> int:
        from pmm_tui.runtime.gatewaying import serve_api, show_document

        return serve_api(port, paper, prod, token_file) if what == "serve" else show_document(what)

    finish(work)


@app.command()
def key(
    path: Annotated[Path | None, typer.Argument(help="The keystore to write; else key.json in the user's configuration folder.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Make a new private key instead of taking yours in.")] = False,
) -> None:
    """Put a private key into an encrypted keystore. Key and password are typed without echo, or are the lines of stdin."""

    def work() -> int:
        from pmm_tui.venues.clob.keys import default_keystore, make_keystore, read_secret

        to = path or default_keystore()
        private = None if new else read_secret("Private key (64 hex digits): ")
        password = read_secret("A password for the keystore: ")
        if sys.stdin.isatty() and read_secret("The password again: ") != password:
            raise ValueError("the passwords differ; nothing was written")
        typer.echo(f"{make_keystore(to, private, password)} is in {to}; keep a copy, and the password elsewhere")
        return 0

    finish(work)


@app.command()
def wallet(
    action: Annotated[str, typer.Argument(help="show, approve, wrap, unwrap, split, merge or redeem.")] = "show",
    profile: Profile = "prod-001",
    market: Annotated[str, typer.Option(help="For split, merge and redeem: a condition id or a slug.")] = "",
    amount: Annotated[str, typer.Option(help="Dollars to wrap, or pairs to split or merge; merge without it: all pairs.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; only where the node is on this machine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the wallet's balances, allowances and gas, or send what changes them after the wallet's last characters were typed."""

    def work() -> int:
        from pmm_tui.runtime.purse import Wish, purse
        from pmm_tui.runtime.start import password

        wish = Wish(action, market, amount, yes, as_json)
        ask = input if sys.stdin.isatty() else None
        return purse(profile, wish, password, typer.echo, complain, ask)

    finish(work)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="The folder of a run.")], as_json: AsJson = False) -> None:
    """Print a run's summary from its journal."""

    def work() -> int:
        from pmm_tui.runtime.replaying import show_report

        return show_report(run, as_json)

    finish(work)


def main() -> None:
    """The program."""
    app()
