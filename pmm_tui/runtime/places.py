"""Where a run's things are: its name and folder, its socket, its tape."""

import hashlib
import os
import re
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pmm_tui
from pmm_tui.record.files import private_folder
from pmm_tui.runtime.profile import Profile, config_folder

SOCKET_BYTES_MAX = 100
"""A Unix socket's path has 104 bytes on some systems, its end included."""
_RUN = re.compile(r"[^/\x00]{1,200}")


class CannotStart(ValueError):
    """A run that was asked for cannot be: the text says why, and what would do."""


def duration_s(text: str, option: str = "--duration") -> float:
    """Seconds of "90s", "30m", "2h"; 0 for none. CannotStart, which names the option, for anything else."""
    if not text:
        return 0.0
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(s|m|h)", text, re.ASCII)
    if found is None or not float(found[1]):
        raise CannotStart(f"{option}: found {text[:20]!r}; allowed: a number above 0 with s, m or h, such as 30m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def state_folder() -> Path:
    """Where the user's own records live outside a checkout."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "pmm-tui"


def latch_path(profile: Profile) -> Path:
    """Where a profile's kill is kept until it is reset."""
    return state_folder() / "latches" / f"{profile.name}.json"


def practice_path(profile: Profile) -> Path:
    """The throw-away key of a profile whose exchange is this machine: one a profile file, so that the next start is the same wallet."""
    mark = hashlib.sha256(os.fsencode(Path(profile.file).resolve())).hexdigest()[:8]
    return state_folder() / "practice" / f"{profile.name}-{mark}" / "practice.json"


def logs_folder(profile: Profile, given: Path | None) -> Path:
    """The runs' folder: as given, else the profile's, else logs/ in a checkout, else the user's state folder."""
    if given is not None:
        return given
    if profile.run().logs:
        return Path(profile.run().logs).expanduser()
    checkout = Path(pmm_tui.__file__).resolve().parent.parent
    return checkout / "logs" if (checkout / "pyproject.toml").is_file() else state_folder() / "logs"


def new_run(logs: Path, profile: Profile) -> Path:
    """The private folder of a new run, named for the profile and the moment: no two runs have one name, whenever they start."""
    while True:
        folder = logs / f"{profile.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            continue
        return private_folder(folder)


def run_folder(logs: Path, run: str) -> Path:
    """The private folder of a run whose name was chosen; CannotStart where that is no name."""
    if not _RUN.fullmatch(run) or run in (".", ".."):
        raise CannotStart(f"--run: found {run[:40]!r}; allowed: the name of a folder")
    return private_folder(logs / run)


def socket_path(profile: Profile, run: str) -> Path:
    """The Unix socket of a run: in the user's runtime folder, else the state folder; a short one below the temp folder where both are long.

    The same for everybody who asks in the same environment, so that a console finds the desk that it started.
    """
    if profile.run().api_socket:
        return Path(profile.run().api_socket).expanduser()
    *folders, last = socket_folders()
    for folder in folders:
        path = folder / f"{run}.sock"
        if len(os.fsencode(path.absolute())) <= SOCKET_BYTES_MAX:
            return path
    mark = f".{_home_mark()}{hashlib.sha256(run.encode()).hexdigest()[:8]}.sock"
    room = SOCKET_BYTES_MAX - len(os.fsencode(last.absolute())) - len(mark) - 1
    return last / f"{run.encode()[: max(0, room)].decode(errors='ignore')}{mark}"


def sockets_here() -> list[Path]:
    """The sockets of this user's desks, by name: of the folder that other homes share, only those of this one."""
    *folders, last = socket_folders()
    found = {path for folder in folders if folder.is_dir() for path in folder.glob("*.sock")}
    found |= set(last.glob(f"*.{_home_mark()}*.sock")) if last.is_dir() else set()
    return sorted(path for path in found if path.is_socket())


def run_of(socket: Path) -> str:
    """The run whose socket this is, by its name; its beginning, where it was too long."""
    return socket.stem.rsplit(".", 1)[0] if socket.parent == socket_folders()[-1] else socket.stem


def _home_mark() -> str:
    return hashlib.sha256(os.fsencode(state_folder())).hexdigest()[:8]


def token_path(given: str) -> Path:
    """The file of the api's bearer token: as given, else the user's own."""
    return Path(given).expanduser() if given else config_folder() / "api.token"


def socket_folders() -> list[Path]:
    """Where desks of this user have their sockets, the first choice first; the last one is for names that are too long elsewhere."""
    runtime = _runtime_folder()
    first = [runtime] if runtime is not None else []
    return [*first, state_folder() / "run", Path(tempfile.gettempdir()) / f"pmm-tui-{os.getuid()}"]


def _runtime_folder() -> Path | None:
    """XDG_RUNTIME_DIR, where it is ours: after `su` it often names another user's, or none that is there."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    if not named or not Path(named).is_dir() or Path(named).stat().st_uid != os.getuid() or not os.access(named, os.W_OK | os.X_OK):
        return None
    return Path(named) / "pmm-tui"


def tape_path(profile: Profile, given: Path | None) -> Path:
    """The tape to play: as given, else the profile's; CannotStart where there is none."""
    name = str(given or profile.run().tape or "demo")
    path = Path(pmm_tui.__file__).resolve().parent / "data" / "demo.tape.zst" if name == "demo" else Path(name).expanduser()
    if not path.is_file():
        raise CannotStart(f"tape: found {name!r}, which is no file; allowed: demo, or the path of a tape")
    return path
