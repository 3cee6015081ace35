"""Where a run begins: a profile becomes a desk, in this process or in one of its own."""

import asyncio
import getpass
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from pmm_tui.api.server import SocketTaken
from pmm_tui.record.files import open_private
from pmm_tui.runtime.logs import end_logs
from pmm_tui.runtime.places import CannotStart, logs_folder, new_run, socket_path
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.runtime.run import Options, Run, plan
from pmm_tui.runtime.unit import CREDENTIAL
from pmm_tui.study.performance import report

if TYPE_CHECKING:
    from pmm_tui.venues.clob.keys import Keys

__all__ = ["CannotStart", "Options", "Started", "headless", "launch"]

CONNECT_S = 15.0
"""How long a console waits for the desk that it started."""
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
    from pmm_tui.runtime.production import wallet_of

    if keys_in is not None:  # asked by the console, and proven here again: the profile's file may have changed since
        keys = unpack(keys_in.readline(LINE_MAX))
        consent(profile, options.live, options.confirm, wallet_of(profile, keys), None)
        return keys
    keys = find_keys(profile, password, _warn)
    consent(profile, options.live, options.confirm, wallet_of(profile, keys), input if sys.stdin.isatty() else None)
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

    def ended(self, patience_s: float) -> bool:
        """Whether the desk ends within this time."""
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        return True


def launch(options: Options) -> Started:
    """Start a desk in a process and session of its own, its output in the run's folder, and wait until its window is open.

    CannotStart, with what the desk said last, where it is not open within CONNECT_S; nothing is left running then.
    """
    profile = load(options.profile)
    plan(profile, options)
    keys = agreed(profile, options)
    folder = new_run(logs_folder(profile, options.logs).absolute(), profile)
    words = [sys.executable, "-m", "pmm_tui", "desk", "--profile", profile.file, "--run", folder.name, "--logs", str(folder.parent)]
    for flag, value in (("--speed", options.speed), ("--duration", options.duration)):
        if value:
            words += [flag, value]
    if options.start_at_s:
        words += ["--start-at", f"{options.start_at_s:g}"]
    if keys is not None:
        from pmm_tui.runtime.production import wallet_of

        words += ["--keys-on-stdin", "--confirm", wallet_of(profile, keys)[-4:], *(["--live"] if options.live else [])]
    told = folder / "desk.out"
    out = open_private(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        stdin = subprocess.DEVNULL if keys is None else subprocess.PIPE
        child = subprocess.Popen(words, stdin=stdin, stdout=out, stderr=out, start_new_session=True)  # noqa: S603 - our own program
        if keys is not None and child.stdin is not None:
            from pmm_tui.runtime.consent import pack

            with child.stdin as pipe:
                pipe.write(pack(keys))
    finally:
        os.close(out)
    socket = socket_path(profile, folder.name)
    opened = False
    try:
        deadline = time.monotonic() + CONNECT_S
        while not opened and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
            opened = socket.is_socket()
    finally:
        if not opened:
            child.kill()
            child.wait()
    if not opened:
        said = told.read_text(encoding="utf-8", errors="replace").strip().removeprefix("pmm-tui: ")
        raise CannotStart(f"the desk did not start: {said[-TOLD_MAX:] or f'no answer within {CONNECT_S:g} s'}")
    return Started(folder.name, folder, socket, child)
