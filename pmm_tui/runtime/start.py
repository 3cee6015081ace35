"""Where a run begins: a profile becomes a desk, in this process or in one of its own."""

import asyncio
import getpass
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from msgspec import Struct, structs

from pmm_tui.api.server import SocketTaken
from pmm_tui.record.files import STATE_LIVE, open_private
from pmm_tui.runtime.logs import end_logs
from pmm_tui.runtime.places import CannotStart, logs_folder, new_run, socket_path
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.runtime.run import Options, Run, plan
from pmm_tui.runtime.unit import CREDENTIAL
from pmm_tui.study.performance import report

if TYPE_CHECKING:
    from pmm_tui.venues.clob.keys import Keys

__all__ = ["CannotStart", "Options", "Started", "headless", "launch", "launch_all"]

CONNECT_S = 15.0
"""How long a console waits for the desk that it started."""
STOP_S = 12.0
"""A desk that is told to end has ended within this: its own deadline, and the time to say so."""
LINE_MAX = 10_000
TOLD_MAX = 2_000
"""So many characters of what a desk said last are shown where it did not start."""


def agreed(profile: Profile, options: Options, keys_in: IO[bytes] | None = None) -> "Keys | None":
    """The keys of a live desk, once every yes was said; None for a paper desk. ValueError where a yes is missing, or a key.

    keys_in: whence a desk that a console started has its keys; the console asked.
    """
    if not profile.is_live:
        return None
    from pmm_tui.runtime.consent import consent, find_keys, unpack  # a paper desk has no signer, not even the code of one
    from pmm_tui.runtime.production import named_node, wallet_of

    # Asked by the console, it is proven here again: the profile's file may have changed since.
    keys = find_keys(profile, password, _warn) if keys_in is None else unpack(keys_in.readline(LINE_MAX))
    ask = input if keys_in is None and sys.stdin.isatty() else None
    consent(profile, options.live, options.confirm, wallet_of(profile, keys), ask)
    if not profile.is_loopback:
        named_node(profile, keys)
    return keys


def password() -> str:
    """Given by systemd, or typed without echo; CannotStart where nobody can type."""
    given = Path(os.environ.get("CREDENTIALS_DIRECTORY", "")) / CREDENTIAL
    if "CREDENTIALS_DIRECTORY" in os.environ and given.is_file():
        return given.read_text(encoding="utf-8").rstrip("\n")
    if not sys.stdin.isatty():
        raise CannotStart("the keystore needs its password: start it on a terminal, or set POLYMARKET_KEYSTORE_PASSWORD")
    return getpass.getpass("password of the keystore: ")


def _warn(text: str) -> None:
    sys.stderr.write(f"pmm-tui: {text}\n")


def headless(options: Options, to_stderr: bool = True, keys_in: IO[bytes] | None = None) -> int:
    """One desk in this process, until its end. Exit codes: 0 ended in order, 3 ended killed or broken.

    ValueError or OSError, whose text says it all, where it cannot be started. `to_stderr`: log there too, and print the report.
    """
    try:
        profile = load(options.profile)
        run = Run(profile, options, to_stderr, agreed(profile, options, keys_in))
        code = asyncio.run(run.main())
    except SocketTaken as taken:
        raise CannotStart(str(taken)) from taken
    finally:
        end_logs()
    if to_stderr and run.summary is not None:
        sys.stdout.write(report(run.name, run.summary) + "\n")
    return code


class Started(Struct, frozen=True):
    """A desk in its own process."""

    run: str
    folder: Path
    socket: Path
    process: subprocess.Popen[bytes]
    real: bool = False
    """Whether its orders cost money."""

    def ended(self, patience_s: float) -> bool:
        """Whether the desk ends within this time."""
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        if self.process.stdin is not None:
            self.process.stdin.close()
        return True

    def let_go(self) -> None:
        """It is up: from now on it lives on whatever becomes of this process."""
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.write(b"\n")
                self.process.stdin.close()

    def end(self) -> bool:
        """Ask it to end, and wait; whether it has."""
        self.process.terminate()
        return self.ended(STOP_S)


class Agreed(Struct, frozen=True):
    """A desk about which everything was asked: only the start itself is left."""

    profile: Profile
    options: Options
    keys: "Keys | None"


def launch(options: Options) -> Started:
    """Start a desk in a process and session of its own, its output in the run's folder, and wait until its window is open.

    CannotStart, with what the desk said last, where it is not open within CONNECT_S; nothing is left running then.
    """
    (started,) = launch_all([options])
    return started


def launch_all(wanted: Sequence[Options], tell: Callable[[str], None] | None = None) -> list[Started]:
    """Start all of these desks, or none: no desk starts before every profile was read and every yes was said. `tell`: what is begun now.

    What is said to real money, --live and --confirm, goes to the live ones. Where one cannot start, those that had started are ended again,
    and CannotStart says so. Until all of them are up they end with this process, however it ends; from then on they live on.
    """
    started: list[Started] = []
    try:
        for one in _all_agreed(wanted):
            if tell is not None:
                tell(f"starting the desk {one.profile.name} ...")
            started.append(_launched(one))
    except (ValueError, OSError) as failure:
        if not started:
            raise
        raise CannotStart(f"{failure}; {', '.join(map(_ended_again, started))}") from failure
    except KeyboardInterrupt:
        for one_started in started:
            one_started.end()
        raise
    for one_started in started:
        one_started.let_go()
    return started


def _all_agreed(wanted: Sequence[Options]) -> list[Agreed]:
    profiles = [load(options.profile) for options in wanted]
    asked = []
    for profile, options in zip(profiles, wanted, strict=True):
        if not profile.is_live and any(one.is_live for one in profiles):
            options = structs.replace(options, live=False, confirm="")
        plan(profile, options)
        asked.append((profile, options))
    # Real money first: a key in the environment is its, and not that of a desk that practises beside it.
    order = sorted(range(len(asked)), key=lambda number: profiles[number].is_loopback)
    keys = {number: agreed(*asked[number]) for number in order}
    return [Agreed(profile, options, keys[number]) for number, (profile, options) in enumerate(asked)]


def _ended_again(desk: Started) -> str:
    if desk.end():
        return f"{desk.run} had started, and was ended again"
    return f"{desk.run} had started and HAS NOT ENDED within {STOP_S:g} s: pmm-tui kill {desk.run}"


def _launched(desk: Agreed) -> Started:
    profile, options, keys = desk.profile, desk.options, desk.keys
    folder = new_run(logs_folder(profile, options.logs).absolute(), profile)
    words = [sys.executable, "-m", "pmm_tui", "desk", "--profile", profile.file, "--run", folder.name, "--logs", str(folder.parent)]
    for flag, value in (("--speed", options.speed), ("--duration", options.duration)):
        if value:
            words += [flag, value]
    if options.start_at_s:
        words += ["--start-at", f"{options.start_at_s:g}"]
    line = b""
    if keys is not None:
        from pmm_tui.runtime.consent import pack
        from pmm_tui.runtime.production import wallet_of

        line = pack(keys)
        words += ["--keys-on-stdin", "--confirm", wallet_of(profile, keys)[-4:], *(["--live"] if options.live else [])]
    words += ["--owned"]
    told = folder / "desk.out"
    out = open_private(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True)  # noqa: S603 - our own program
    finally:
        os.close(out)
    if child.stdin is not None:
        with suppress(BrokenPipeError):  # it has ended already; what it said tells why
            child.stdin.write(line)
            child.stdin.flush()
    started = Started(folder.name, folder, socket_path(profile, folder.name), child, real=keys is not None and not profile.is_loopback)
    if not _opened(started, trades=keys is not None):
        said = told.read_text(encoding="utf-8", errors="replace").strip().removeprefix("pmm-tui: ")
        raise CannotStart(f"the desk did not start: {said[-TOLD_MAX:] or f'no answer within {CONNECT_S:g} s'}")
    return started


def _opened(desk: Started, trades: bool) -> bool:
    """Whether its window opens within CONNECT_S; where it does not, nothing is left running.

    trades: a live desk's window is open while the venue has not answered yet; it is there once it has told its state.
    """
    opened = False
    try:
        deadline = time.monotonic() + CONNECT_S
        while not opened and desk.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
            opened = desk.socket.is_socket() and (not trades or (desk.folder / STATE_LIVE).exists())
    finally:
        if not opened and not desk.end():
            desk.process.kill()
            desk.process.wait()
    return opened
