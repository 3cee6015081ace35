"""What a look at the desks found, and what is said of look after look: what has become bad, and what is well again."""

from collections.abc import Mapping

from msgspec import Struct, field

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime.alerts import Line, Pacer

CALM_LOOKS = 2
"""What was bad must look well so often before it is called well."""
CODES = {"ok": 0, "unasked": 4, "warn": 1, "alarm": 3}
"""The exit codes of one look, in the order of how bad that is; 2 is a wrong command line."""
_RANK = tuple(CODES)
_BAD = ("warn", "alarm")


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    desk: str
    what: str
    level: str
    """ok | unasked | warn | alarm; `unasked` says nothing of how it stands, and is never taken for well"""
    why: str

    @property
    def key(self) -> str:
        """The same thing at the next look."""
        return f"{self.desk}:{self.what}"

    def __str__(self) -> str:
        """One line."""
        return f"{self.level:<7}  {self.desk:<32} {self.what:<14} {self.why}"


class Look(Struct, frozen=True):
    """Everything one look found."""

    at: Nanos
    findings: tuple[Finding, ...]
    profiles: dict[str, str] = {}
    """By what findings call a desk: its run, or its profile where none of it runs."""

    @property
    def level(self) -> str:
        """The worst."""
        return max((one.level for one in self.findings), key=_RANK.index, default="ok")


class Trouble(Struct):
    """One thing that is bad."""

    desk: str
    what: str
    profile: str
    since: Nanos
    calm: int = 0
    """How often in a row it has not looked bad since."""


class Watch(Struct):
    """What is said of look after look: what has become bad, and what is well again."""

    pacer: Pacer = field(default_factory=Pacer)
    troubles: dict[str, Trouble] = {}

    def take(self, seen: Look) -> list[Line]:
        """One more look; what is to be said."""
        here = {one.key: one for one in seen.findings}
        for key, one in here.items():
            if one.level in _BAD:
                profile = seen.profiles.get(one.desk, "")
                self.troubles.setdefault(key, Trouble(one.desk, one.what, profile, seen.at)).calm = 0
                self.pacer.add(key, one.level, f"{one.desk} {one.what}: {one.why}", seen.at)
        for key, trouble in list(self.troubles.items()):
            now = here.get(key)
            level, why = ("recovered", "well again") if now is not None else _without(trouble, seen, here)
            if not why or (now is not None and now.level != "ok"):
                continue  # what can no longer be asked has not become well
            trouble.calm += 1
            if trouble.calm >= CALM_LOOKS:
                del self.troubles[key]
                text = f"{trouble.desk} {trouble.what}: {why} after {(seen.at - trouble.since) // SECOND} s"
                self.pacer.recover(key, text, seen.at, level)
        return self.pacer.take()


def _without(trouble: Trouble, seen: Look, here: Mapping[str, Finding]) -> tuple[str, str]:
    """What has become of something bad that a look does not speak of: the level and the words, none while nothing is known. A desk that has
    ended has not become well; only that its profile has another run now is good news."""
    if any(one.desk == trouble.desk for one in seen.findings):
        return "", ""
    others = [one for one in seen.findings if one.what == "alive" and seen.profiles.get(one.desk) == trouble.profile]
    for one in others:
        same = here.get(f"{one.desk}:{trouble.what}", one)
        if (one.level, same.level) == ("ok", "ok"):
            return "recovered", f"{one.desk} runs now,"
    if others:
        return "", ""
    return "info", "the run is no longer here, and was not seen well,"
