"""A profile: one YAML file of flat parameters, the environment over it, and a refusal that names every mistake with its line."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml
from msgspec import Struct
from pydantic import ValidationError

import pmm_tui
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.selection import TargetingKnobs
from pmm_tui.core.units import Nanos
from pmm_tui.feeds.discovery import GammaKnobs, series_slugs
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.runtime.knobs_model import CORE, KNOBS, MODEL, PREFIX, RunSettings, checked, environment_values, scalars
from pmm_tui.runtime.live_knobs import LiveSettings
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.paper.fills import PaperKnobs

ENVIRONMENT = "environment"
_ORDERED = (
    ("kill_switch_alert_pct", "kill_switch_max_drawdown_pct", True),
    ("default_order_size", "max_position_size", False),
    ("clock_reduce_s", "clock_halt_s", True),
    ("ws_backoff_first_s", "ws_backoff_max_s", False),
    ("gamma_backoff_first_s", "gamma_backoff_max_s", False),
)
"""Pairs of which the first must not pass the second; True: nor equal it."""
_FILE_BYTES_MAX = 1 << 20
_SHOWN_MAX = 60
_SUFFIXES = (".yaml", ".yml")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SECRET_NAME = re.compile(
    r"private_?key|secret|passphrase|mnemonic|password|api_?key|seed_?phrase|wallet_?key|_token$|^token$", re.IGNORECASE
)
# Keys and secrets are long runs without a space or a hyphen; slugs, paths and URLs are not. URLs may carry a password.
_SECRET_VALUE = re.compile(r"[A-Za-z0-9+/=_]{28,}|(?<=//)[^/@\s]+@")


class Complaint(Struct, frozen=True):
    """One mistake in a profile."""

    file: str
    """The file, or "environment"."""
    line: int
    """0 where there is no line."""
    field: str
    found: str
    allowed: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: found {self.found}; allowed: {self.allowed}" + (f"; {self.hint}" if self.hint else "")


class ProfileRefused(ValueError):
    """A profile with mistakes; `complaints` has all of them, in the order of the file."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(sorted(complaints, key=lambda one: (one.file == ENVIRONMENT, one.line, one.field)))
        super().__init__("\n".join(map(str, self.complaints)))


class Profile(Struct, frozen=True):
    """A valid profile. `values` has every parameter by its flat name, defaults included."""

    name: str
    file: str
    values: dict[str, Any]

    @property
    def is_live(self) -> bool:
        """Whether it trades at the production venue, or at one that stands in for it on loopback."""
        return bool(self.values["mode"] == "live")

    @property
    def is_loopback(self) -> bool:
        """Whether every endpoint that it uses is this machine: nothing there is real money."""
        names = ["gamma_url", "clob_url", "market_ws_url"]
        names += ["user_ws_url", "geoblock_url", *(["rpc_url"] if self.values["rpc_url"] else [])] if self.is_live else []
        names += ["rtds_url"] if self.values["reference_markets"] else []
        return all(urlsplit(self.values[name]).hostname in _LOOPBACK for name in names)

    def _group(self, name: str) -> dict[str, Any]:
        return {knob.name: self.values[knob.name] for knob in KNOBS.values() if knob.group == name}

    def run(self) -> RunSettings:
        """What the runtime itself needs."""
        return RunSettings(**self._group("run"))

    def knobs(self) -> Knobs:
        """The engine's knobs. With real money two of them are not a choice: the books hold our orders, and wins are redeemed by hand."""
        knobs = msgspec.structs.replace(Knobs(), **{name: struct(**self._group(name)) for name, struct in CORE.items()})
        if not self.is_live:
            return knobs
        desk = msgspec.structs.replace(knobs.desk, own_orders_in_book=True, redeem_by_hand=True)
        return msgspec.structs.replace(knobs, desk=desk)

    def live(self) -> LiveSettings:
        """What a production desk needs to be told."""
        return LiveSettings(**self._group("live"))

    def clob(self) -> ClobKnobs:
        """The production venue's knobs."""
        return ClobKnobs(**self._group("clob"))

    def paper(self) -> PaperKnobs:
        """The simulated venue's knobs."""
        return PaperKnobs(**self._group("paper"))

    def targeting(self) -> TargetingKnobs:
        """Which markets discovery may choose."""
        return TargetingKnobs(**self._group("targeting"))

    def gamma(self) -> GammaKnobs:
        """Discovery's pace."""
        return GammaKnobs(**self._group("gamma"))

    def market_ws(self) -> MarketWsKnobs:
        """The market channel's pace and limits."""
        return MarketWsKnobs(**self._group("market_ws"))


class Change(Struct, frozen=True):
    """One parameter that differs between two profiles."""

    name: str
    old: Any
    new: Any
    safe: bool
    """It may change while the desk runs."""

    def __str__(self) -> str:
        return f"{self.name}: {shown(self.old)} -> {shown(self.new)}" + ("" if self.safe else " (needs a restart)")


def diff(old: Profile, new: Profile) -> tuple[Change, ...]:
    """What a reload would change. Safe is what the engine itself holds and no struct marks as fixed for a run."""
    return tuple(
        Change(name, old.values[name], new.values[name], knob.group in CORE and not knob.restart)
        for name, knob in KNOBS.items()
        if old.values[name] != new.values[name]
    )


# --- finding ------------------------------------------------------------------------------------------------------------------------------


def packaged() -> Path:
    """The profiles that come with the program: inside an installed package, or the checkout's own folder."""
    home = Path(pmm_tui.__file__).resolve().parent
    inside = home / "profiles"
    return inside if inside.is_dir() else home.parent / "profiles"


def folders() -> tuple[Path, ...]:
    """Where a profile's name is looked up, first match first: ./profiles, the user's own, those that come with the program."""
    return Path("profiles"), config_folder() / "profiles", packaged()


def printable(text: str) -> str:
    """Without what a terminal obeys: whatever somebody wrote or sent."""
    return "".join(mark if mark.isprintable() else "?" for mark in text)


def config_folder() -> Path:
    """Where the user's own configuration is."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pmm-tui"


def find(name: str) -> Path:
    """The file of a profile given by name or by path; ProfileRefused, with the nearest names, where there is none."""
    given = Path(name).expanduser()
    if given.suffix in _SUFFIXES or len(given.parts) > 1:
        if given.is_file():
            return given
    else:
        for folder in folders():
            for suffix in _SUFFIXES:
                if (folder / (name + suffix)).is_file():
                    return folder / (name + suffix)
    known = sorted({path.stem for path in _files()})
    near = difflib.get_close_matches(given.stem, known, 1)
    hint = f"did you mean {near[0]}?" if near else "looked in " + ", ".join(str(folder) for folder in folders())
    raise ProfileRefused([Complaint("profiles", 0, "profile", f"{shown(name)}, which is no such file", ", ".join(known) or "a file", hint)])


def _files() -> list[Path]:
    """Every profile file that a name can mean: a folder looked up earlier hides the same name in a later one."""
    chosen: dict[str, Path] = {}
    for folder in folders():
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.suffix in _SUFFIXES and path.is_file():
                    chosen.setdefault(path.stem, path)
    return [chosen[name] for name in sorted(chosen)]


class Listed(Struct, frozen=True):
    """One profile that can be named, and what is wrong with it (nothing where it is valid)."""

    name: str
    file: str
    complaints: tuple[Complaint, ...]


def list_profiles() -> tuple[Listed, ...]:
    """Every profile that can be named, each read and checked."""
    listed = []
    for path in _files():
        complaints: tuple[Complaint, ...] = ()
        try:
            load(str(path))
        except ProfileRefused as refused:
            complaints = refused.complaints
        listed.append(Listed(path.stem, str(path), complaints))
    return tuple(listed)


# --- reading ------------------------------------------------------------------------------------------------------------------------------


def load(name: str) -> Profile:
    """Find, read and check a profile; ProfileRefused with every mistake of the file and of the environment at once."""
    path = find(name)
    sheet = _Sheet(str(path))
    sheet.read(path)
    sheet.check_environment()
    values = sheet.settle()
    for field, found, allowed in _disagreements(values):
        sheet.complain(field, found, allowed)
    if sheet.complaints:
        raise ProfileRefused(sheet.complaints)
    return Profile(path.stem, sheet.file, values)


def shown(value: Any) -> str:
    """A value for a message: short, printable, and with whatever may be a secret masked."""
    text = (
        repr(value)
        if isinstance(value, str)
        else "nothing"
        if value is None
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
    text = _SECRET_VALUE.sub("…", text)
    text = printable(text)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


class _Sheet:
    """One file as it was written: its values, the line of each, and what is wrong so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[str, Any] = {}
        self.lines: dict[str, int] = {}
        self.complaints: list[Complaint] = []
        self.from_environment = {
            name.upper().removeprefix(PREFIX).lower() for name, text in os.environ.items() if name.upper().startswith(PREFIX) and text
        }

    def read(self, path: Path) -> None:
        """The YAML; ProfileRefused where it is none, because then nothing else can be said about it."""
        try:
            with path.open("rb") as file:
                raw = file.read(_FILE_BYTES_MAX + 1)
        except OSError as wrong:
            raise ProfileRefused([Complaint(self.file, 0, "file", wrong.strerror or "unreadable", "a readable file")]) from None
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as wrong:
            line = raw.count(b"\n", 0, wrong.start) + 1
            raise ProfileRefused([Complaint(self.file, line, "file", "bytes that are not UTF-8", "UTF-8 text")]) from None
        if len(raw) > _FILE_BYTES_MAX:
            raise ProfileRefused([Complaint(self.file, 0, "file", f"more than {_FILE_BYTES_MAX} bytes", "a profile")])
        loader = yaml.SafeLoader("")
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            if node is None:
                return
            if not isinstance(node, yaml.MappingNode):
                raise ProfileRefused(
                    [Complaint(self.file, node.start_mark.line + 1, "file", "a list or a single value", "lines of `name: value`")]
                )
            for key, value in node.value:
                self._take(loader, key, value)
        except yaml.reader.ReaderError as wrong:
            line = text.count("\n", 0, wrong.position) + 1
            raise ProfileRefused([Complaint(self.file, line, "yaml", "a character that YAML does not allow", "printable text")]) from None
        except yaml.MarkedYAMLError as wrong:
            mark = wrong.problem_mark or wrong.context_mark
            problem = _SECRET_VALUE.sub("…", wrong.problem or wrong.context or "not YAML")
            raise ProfileRefused([Complaint(self.file, mark.line + 1 if mark else 0, "yaml", problem, "YAML")]) from None
        except RecursionError:
            raise ProfileRefused([Complaint(self.file, 0, "yaml", "lists nested too deep", "lines of `name: value`")]) from None
        finally:
            loader.dispose()

    def _take(self, loader: yaml.SafeLoader, key: yaml.Node, value: yaml.Node) -> None:
        line = key.start_mark.line + 1
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else "a list as a key"
        if name in self.lines:
            self.complaints.append(Complaint(self.file, line, _named(name), "the key again", f"once; it stands on line {self.lines[name]}"))
            return
        self.lines[name] = line
        # Names are exact: pydantic-settings itself would also take LEVELS for levels, and then two lines could set one knob.
        if name in KNOBS and not isinstance(value, yaml.MappingNode):
            self.values[name] = scalars(value) if KNOBS[name].textual else loader.construct_object(value, deep=True)
            return
        if name in KNOBS:
            wrong = Complaint(self.file, line, name, "a section", KNOBS[name].allowed)
        elif _SECRET_NAME.search(name):
            wrong = Complaint(self.file, line, _named(name), "(not shown)", "nothing: secrets come from the environment only")
        elif isinstance(value, yaml.MappingNode):
            wrong = Complaint(
                self.file, line, _named(name), "a section", "nothing: every parameter stands on its own line, without sections"
            )
        else:
            wrong = _unknown(self.file, line, name, _named(name))
        self.complaints.append(wrong)

    def check_environment(self) -> None:
        """A misspelt variable would silently not apply."""
        for name in sorted(self.from_environment - set(KNOBS)):
            self.complaints.append(_unknown(ENVIRONMENT, 0, name, PREFIX + name.upper()))

    def settle(self) -> dict[str, Any]:
        """Every parameter by its flat name, defaults included; those refused are left out, and complained about."""
        try:
            settings = MODEL(**self.values)
        except ValidationError as wrong:
            refused = {str(error["loc"][0]): error["input"] for error in wrong.errors(include_url=False, include_context=False)}
            for name, value in refused.items():
                self.complain(name, shown(value), KNOBS[name].allowed, KNOBS[name].about)
            # The rest is still read, so that one look shows every mistake, also those between two values.
            said = self.values | environment_values()
            fine = {name: checked(KNOBS[name], value) for name, value in said.items() if name not in refused}
            return {name: fine.get(name, knob.default) for name, knob in KNOBS.items() if name not in refused}
        return {name: getattr(settings, name) for name in KNOBS}

    def complain(self, name: str, found: str, allowed: str, hint: str = "") -> None:
        """A mistake at the place that gave the value: the environment goes before the file."""
        if name in self.from_environment:
            self.complaints.append(Complaint(ENVIRONMENT, 0, PREFIX + name.upper(), found, allowed, hint))
        else:
            self.complaints.append(Complaint(self.file, self.lines.get(name, 0), name, found, allowed, hint))


def _named(name: str) -> str:
    """A key as a message shows it: someone may have pasted a secret in the wrong column."""
    return shown(name)[1:-1] or "an empty key"


def _unknown(file: str, line: int, name: str, label: str) -> Complaint:
    near = difflib.get_close_matches(name, KNOBS, 1, 0.6)
    return Complaint(file, line, label, "an unknown key", "the names in the profile reference", f"did you mean {near[0]}?" if near else "")


def _disagreements(values: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Values that are each allowed but not together: (field, found, allowed). A value that was refused is not in `values`."""
    for less, most, strictly in _ORDERED:
        if less in values and most in values and (values[less] > values[most] or (strictly and values[less] == values[most])):
            yield less, shown(values[less]), f"{'below' if strictly else 'at most'} {most}, {shown(values[most])}"
    if values.get("source") == "tape" and values.get("tape") == "":
        yield "tape", "nothing", "the tape to play, because source is tape"
    if values.get("mode") == "live" and values.get("source") == "tape":
        yield "source", "'tape'", "live, because mode is live"
    for name in values.get("markets", ()):
        if name.endswith("*"):
            try:
                series_slugs(name, Nanos(0), 0.0)
            except ValueError:
                yield "markets", shown(name), "a series with its length, such as btc-updown-15m-*"
