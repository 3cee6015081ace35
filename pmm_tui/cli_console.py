"""What the commands that open a console share: its options, and what it may know of the rest of this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

if TYPE_CHECKING:
    from pmm_tui.runtime.start import Started
    from pmm_tui.tui.elsewhere import PreflightLine, ProfileLine, RunLine

T = TypeVar("T", str, Path)

Keep = Annotated[bool, typer.Option("--keep", help="Leave the desk running when the console is quit.")]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Look only: no key that changes a desk exists, and the desk refuses this console.")
]
AllowKill = Annotated[bool, typer.Option("--allow-kill", help="With --read-only: the kill keys exist all the same.")]
LowBandwidth = Annotated[bool, typer.Option("--low-bandwidth", help="For a slow line: 2 looks a second, 256 colours, no braille.")]
Fps = Annotated[int, typer.Option(help="Looks a second: 1, 2, 4 or 10; 0: as tui.toml says.", min=0, max=10)]
NoMouse = Annotated[bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal, so that it selects text.")]
Symbols = Literal["braille", "block", "ascii"]
Drawn = Annotated[Symbols | None, typer.Option(help="What is drawn with; else as tui.toml says, or what the terminal can.")]


def console(
    sockets: Sequence[Path],
    *,
    keep: bool = False,
    read_only: bool = False,
    allow_kill: bool = False,
    low_bandwidth: bool = False,
    fps: int = 0,
    no_mouse: bool = False,
    symbols: Symbols | None = None,
    logs: Path | None = None,
) -> int:
    """Open the console on these desks until its operator leaves (0), or it is cut off (1).

    `logs`: where a desk that it starts keeps its records.
    """
    from pmm_tui.tui.start import Wish, open_console

    wish = Wish(keep, read_only, allow_kill, low_bandwidth, fps, not no_mouse, symbols)
    return open_console(sockets, wish, _Here(logs))


def one_or_two(desks: list[T], alike: bool = False) -> list[T]:
    """These desks, of which a console shows one or two; `alike`: twice the same name is two of them. ValueError where they are others."""
    if len(desks) > 2 or (len(set(desks)) < len(desks) and not alike):
        raise ValueError(f"desks: found {', '.join(map(str, desks))}; allowed: one, or two{'' if alike else ' different ones'}")
    return desks


def check_settings() -> None:
    """Read tui.toml, before a desk is started for a console that could not be. ValueError or OSError where it cannot be used."""
    from pmm_tui.tui.config import read_config

    read_config()


class _Here:
    """The other runs and the profiles of this machine."""

    def __init__(self, logs: Path | None) -> None:
        self._logs = logs
        self._started: list[Started] = []
        """They end when this is let go of."""

    def runs(self) -> list["RunLine"]:
        """Every desk whose process is there."""
        from pmm_tui.runtime.fleet import running
        from pmm_tui.tui import format as f
        from pmm_tui.tui.elsewhere import RunLine

        lines = []
        for seen in running():
            if seen.frame is None and not seen.gone:
                lines.append(RunLine(seen.run, seen.why, seen.socket, False))
            if seen.frame is None:
                continue
            snapshot = seen.frame.snapshot
            made, deep = f.signed_usd(snapshot.money.equity - snapshot.money.initial), f.percent(snapshot.money.drawdown_pct)
            count = len(snapshot.markets)
            state = f"{snapshot.phase:<8} {made:>10}  drawdown {deep:<5}  {count} market{'s' * (count != 1)}"
            lines.append(RunLine(seen.run, state, seen.socket, True, seen.frame))
        return lines

    def profiles(self) -> list["ProfileLine"]:
        """Every profile that can be named."""
        from pmm_tui.runtime.profile import list_profiles, load
        from pmm_tui.tui.elsewhere import ProfileLine

        lines = []
        for one in list_profiles():
            wrong = str(one.complaints[0]) if one.complaints else ""
            found = None if wrong else load(one.file)
            mode = "" if found is None else "PAPER" if not found.is_live else "REHEARSAL" if found.is_loopback else "LIVE"
            lines.append(ProfileLine(one.name, mode, wrong))
        return lines

    def preflight(self, profile: str, account: str) -> "PreflightLine | None":
        """The last one of this user's."""
        from pmm_tui.runtime.consent import last_preflight
        from pmm_tui.tui.elsewhere import PreflightLine

        found = last_preflight(profile, account)
        if found is None:
            return None
        kept, against = found
        return PreflightLine(kept.at, against, tuple((check.name, check.ok, check.why) for check in kept.checks))

    def start(self, profile: str) -> Path:
        """A paper desk of its own process."""
        from pmm_tui.runtime.profile import load
        from pmm_tui.runtime.start import Options, launch

        if load(profile).is_live:
            raise ValueError("a desk with real money is started on the command line")
        self._started.append(launch(Options(profile, logs=self._logs)))
        return self._started[-1].socket


def place(what: str) -> Path:
    """Where something of the user's is, whether it is there or not. ValueError where it is nothing that has a place."""
    from pmm_tui.runtime.places import state_folder
    from pmm_tui.tui.config import config_path

    places = {"config": config_path(), "profiles": config_path().parent / "profiles", "state": state_folder()}
    if what not in places:
        raise ValueError(f"locate: found {what[:40]!r}; allowed: {', '.join(places)}")
    return places[what]
