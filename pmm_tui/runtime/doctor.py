"""`pmm-tui doctor`: what on this machine keeps the program from working well, and how to mend it."""

import locale
import os
import platform
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.metadata import requires as requirements
from pathlib import Path

import msgspec
from msgspec import Struct
from packaging.requirements import Requirement

from pmm_tui.runtime.alerts import find_channels
from pmm_tui.runtime.fleet import running
from pmm_tui.runtime.places import socket_folders, state_folder
from pmm_tui.runtime.profile import config_folder, list_profiles

COLUMNS, LINES = 80, 24
DISK_MIN = 2 * 1024**3
MEMORY_MIN = 512 * 1024**2
FILES_MIN = 1_024
_GLYPHS = "─┃▲●█⣿"


class Symptom(Struct, frozen=True):
    """One thing that was looked at. `mend`: what to do, where it is not well."""

    what: str
    ok: bool
    found: str
    mend: str = ""
    note: bool = False
    """Neither well nor wrong: not to be told here, or left so by choice."""


def doctor(signs: str, as_json: bool) -> int:
    """Print all of it; `signs`: what the console would draw with here. 0: nothing is wrong; 1: something is."""
    found = [*program(), *terminal(signs), *machine(), *folders(), *desks()]
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        for one in found:
            sys.stdout.write(f"{'WRONG' if not one.ok else 'note ' if one.note else 'ok   '}  {one.what:<16} {one.found}\n")
            if not one.ok:
                sys.stdout.write(f"{'':<7}{'':<16} → {one.mend}\n")
    return 0 if all(one.ok for one in found) else 1


def program() -> Iterator[Symptom]:
    """The interpreter and the packages."""
    yield Symptom("python", sys.version_info >= (3, 11), platform.python_version(), "install Python 3.11 or newer, then make run")
    wrong = []
    for text in requirements("pmm-tui") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            here = version(wanted.name)
        except PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing")
            continue
        if here not in wanted.specifier:
            wrong.append(f"{wanted.name} {here}, needs {wanted.specifier}")
    yield Symptom(
        "packages", not wrong, "; ".join(wrong) or "as required", "pip install --require-hashes -r requirements.lock, or make run"
    )


def terminal(signs: str) -> Iterator[Symptom]:
    """What the console draws on."""
    here = sys.stdin.isatty() and sys.stdout.isatty()
    yield Symptom("terminal", True, os.environ.get("TERM", "TERM is not set") if here else "none here; --no-ui works without")
    if here:
        size = shutil.get_terminal_size()
        large = size.columns >= COLUMNS and size.lines >= LINES
        yield Symptom("size", large, f"{size.columns}x{size.lines}", f"enlarge the window: {COLUMNS}x{LINES} at least, 160x48 shows all")
    encoding = locale.getpreferredencoding(False)
    more = "" if signs == "braille" else "; more with TERM and LANG of a UTF-8 terminal, or symbols in tui.toml"
    mend = "set a UTF-8 locale (export LANG=C.UTF-8), or symbols = ascii in tui.toml"
    yield Symptom("signs", signs == "ascii" or _draws(encoding), f"{signs}, written as {encoding}{more}", mend, signs != "braille")
    term = os.environ.get("TERM", "")
    if os.environ.get("TMUX"):
        good = term.startswith(("tmux", "screen-256", "xterm-256"))
        yield Symptom("tmux", good, term, 'in ~/.tmux.conf: set -g default-terminal "tmux-256color"')


def machine() -> Iterator[Symptom]:
    """Clock, disk, memory, files."""
    synced = _clock_synced()
    yield Symptom(
        "clock", synced is not False, {True: "synchronised", False: "NOT synchronised", None: "cannot be told here"}[synced],
        "orders carry the time: run chrony or systemd-timesyncd (timedatectl set-ntp true)", synced is None,
    )  # fmt: skip
    place = next(one for one in (state_folder(), *state_folder().parents) if one.exists())
    free = shutil.disk_usage(place).free
    yield Symptom(
        "disk", free >= DISK_MIN, f"{free / 1024**3:.1f} GiB free at {place}", "a desk halts where its journal cannot be written: free some"
    )
    memory = _available()
    yield Symptom("memory", memory >= MEMORY_MIN, f"{memory / 1024**2:.0f} MiB free", "two desks and a console need about 300 MiB")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    mend = f"ulimit -n {min(hard, 65_536)}, or " if hard >= FILES_MIN else ""
    yield Symptom("open files", soft >= FILES_MIN, f"{soft}, {hard} at most", f"{mend}LimitNOFILE= in the unit")


def folders() -> Iterator[Symptom]:
    """Configuration, keys, records."""
    config = config_folder()
    private = [path for name in ("key.json", "key.api.json", "alerts.txt", "api.token") if (path := config / name).exists()]
    open_ = [path.name for path in private if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    yield Symptom(
        "secrets", not open_, f"{', '.join(open_) or 'none'} open to others", f"chmod 600 {' '.join(str(config / name) for name in open_)}"
    )
    refused = [one for one in list_profiles() if one.complaints]
    told = f"refused: {', '.join(one.name for one in refused)}" if refused else "each is valid"
    yield Symptom("profiles", not refused, told, "pmm-tui profiles says what is wrong")
    try:
        told, good = "set" if find_channels() else "none: nobody is told when a desk dies; put apprise URLs into alerts.txt", True
    except ValueError as wrong:
        told, good = str(wrong), False
    nobody = good and told != "set"
    yield Symptom("alerts", good, told, f"mend {config / 'alerts.txt'}, then try: pmm-tui monitor --test", nobody)
    latches = sorted(path.stem for path in (state_folder() / "latches").glob("*.json"))
    yield Symptom(
        "kill latches",
        not latches,
        ", ".join(latches) or "none",
        "these profiles were killed and not reset: start one, then R in the console",
    )


def desks() -> Iterator[Symptom]:
    """What runs, and what a crash left."""
    seen = running()
    gone = sum(desk.gone for desk in seen)
    deaf = sum(desk.frame is None for desk in seen) - gone
    told = f"{len(seen) - gone - deaf} answer, {deaf} do not, {gone} gone"
    yield Symptom("desks", not gone + deaf, told, "pmm-tui ps shows them; pmm-tui ps --forget removes what those that are gone left")
    others = [folder for folder in socket_folders() if folder.exists() and folder.stat().st_uid != os.getuid()]
    yield Symptom("socket folders", not others, "another user's" if others else "ours", "set XDG_RUNTIME_DIR to a folder of your own")


def _draws(encoding: str) -> bool:
    try:
        _GLYPHS.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _available() -> int:
    """Bytes that programs can still have."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def _clock_synced() -> bool | None:
    """Whether the machine's clock is kept; None where nothing here knows."""
    found = shutil.which("timedatectl")
    if found is None:
        return None
    try:
        asked = subprocess.run([found, "show", "-p", "NTPSynchronized", "--value"], capture_output=True, text=True, timeout=3, check=False)  # noqa: S603 - a program of the system, no input of ours
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(asked.stdout.strip()) if asked.returncode == 0 else None
