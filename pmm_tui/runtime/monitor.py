"""`pmm-tui monitor`: looks at the desks from outside, says what is wrong and what is well again, in a loop or once for a timer."""

import asyncio
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field

from pmm_tui.api.protocol import mode_word
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import SECOND, Cash, Nanos
from pmm_tui.record.files import private_folder, replace
from pmm_tui.runtime.alerts import Channels, Message, Pacer, find_channels
from pmm_tui.runtime.fleet import Seen, look, running
from pmm_tui.runtime.places import state_folder
from pmm_tui.runtime.profile import Profile, load

APART_S = 0.5
"""Two looks so far apart tell whether a desk ticks: it does ten times a second."""
DOWN_S = 10.0
"""A link that is down for longer is said; shorter is a reconnect."""
UNKNOWN_S = 60.0
"""An order whose fate is unknown for longer is said."""
DISK_LOW = (2 * 1024**3, 256 * 1024**2)
"""Free bytes that warn, and that alarm."""
CALM_LOOKS = 2
"""What was bad must look well so often before it is called well."""
CODES = {"ok": 0, "unasked": 4, "warn": 1, "alarm": 3}
"""The exit codes of one look, in the order of how bad that is; 2 is a wrong command line."""
_RANK = tuple(CODES)
_CHECKED = ("account check", "wallet check", "data age", "crossed books", "failed trades")
_BAD = ("warn", "alarm")
LIVE_KEPT = 100
UNNAMED = "not asked: its profile is not found by its name; name its file: pmm-tui monitor FILE"
_ALARMS = ("account check", "wallet check", "failed trades")


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

    @property
    def level(self) -> str:
        """The worst."""
        return max((one.level for one in self.findings), key=_RANK.index, default="ok")


Tokens = tuple[str, str, int]
"""A market's YES and NO, and its protocol."""


class Books(Struct, frozen=True):
    """What a desk last said that its wallet holds, and how much more the chain then had."""

    run: str
    cash: Cash
    aside: Cash
    """pUSD on chain beyond the desk's cash: not the desk's to use, and the same while nobody moves any."""
    shares: dict[str, int]
    """By token, of the markets that were read and are not over."""


class Known(Struct):
    """What earlier looks learned of desks of mode live."""

    live: dict[str, str] = {}
    """Runs that were one, with their profiles: a dead desk tells nothing."""
    tokens: dict[str, Tokens] = {}
    """By market: they never change."""
    books: dict[str, Books] = {}
    """By profile."""


class Subject(Struct, frozen=True):
    """A desk of mode live that is looked at from outside."""

    run: str
    profile: Profile
    socket: Path | None = None
    """None: it does not run."""
    frame: Frame | None = None
    """None: it does not answer, or does not run."""
    hangs: bool = False
    """Its process is there, and does not answer."""


class Watch(Struct):
    """What is said of look after look: what has become bad, and what is well again."""

    pacer: Pacer = field(default_factory=Pacer)
    bad: dict[str, Nanos] = {}
    """Since when each thing is bad."""
    calm: dict[str, int] = {}
    """How often in a row it has looked well since."""

    def take(self, seen: Look) -> Message | None:
        """One more look; the message that is to go out."""
        here = {one.key: one for one in seen.findings}
        for key, one in here.items():
            if one.level in _BAD:
                self.bad.setdefault(key, seen.at)
                self.calm.pop(key, None)
                self.pacer.add(key, one.level, f"{one.desk} {one.what}: {one.why}", seen.at)
        for key, since in list(self.bad.items()):
            now = here.get(key)
            if now is not None and now.level != "ok":
                continue  # what can no longer be asked has not become well
            self.calm[key] = self.calm.get(key, 0) + 1
            if self.calm[key] >= CALM_LOOKS:
                del self.bad[key], self.calm[key]
                self.pacer.recover(key, f"{key.replace(':', ' ')}: well again after {(seen.at - since) // SECOND} s")
        return self.pacer.due(seen.at)


def judge(first: Seen, frame: Frame, now: Nanos) -> list[Finding]:
    """All that one desk's two pictures say: the first look, and a later frame."""
    snapshot, card, run = frame.snapshot, frame.card, frame.card.run
    found: list[Finding] = []

    def say(what: str, level: str, why: str) -> None:
        found.append(Finding(run, what, level, why))

    ticks = first.frame is None or snapshot.seq > first.frame.snapshot.seq
    say("ticking", "ok" if ticks else "alarm", f"{mode_word(card)}, {snapshot.seq} events" if ticks else f"no event in {APART_S} s")
    stopped = snapshot.phase in ("killing", "killed")
    say("kill switch", "alarm" if stopped else "ok", f"{snapshot.phase}: {snapshot.why}" if stopped else "armed")
    say("desk", "alarm" if card.busy else "ok", card.busy or ("no fault of its own" if stopped else snapshot.phase))
    money = snapshot.money
    level = "alarm" if money.drawdown_pct >= money.halt_pct else "warn" if money.drawdown_pct >= money.alert_pct else "ok"
    say("drawdown", level, f"{money.drawdown_pct:.1f} %, warned at {money.alert_pct:g} %, killed at {money.halt_pct:g} %")
    down = [link for link in snapshot.feeds if not link.up and (snapshot.at - link.since) / SECOND > DOWN_S]
    if snapshot.feeds:
        say("links", "warn" if down else "ok", "; ".join(f"{link.link} down: {link.why}" for link in down) or f"{len(snapshot.feeds)} up")
    elif card.source != "tape":
        say("links", "unasked", "none is known yet")
    mode, since_s = snapshot.venue.mode, (snapshot.at - snapshot.venue.since) / SECOND
    level = "ok" if mode == "open" else "alarm" if mode in ("disabled", "key refused") else "warn"
    say("venue", level, "takes orders" if mode == "open" else f"{mode} for {since_s:.0f} s")
    unknown = [row for row in snapshot.orders if row.status == "UNCERTAIN" and (snapshot.at - row.sent_at) / SECOND > UNKNOWN_S]
    say("open orders", "warn" if unknown else "ok", f"{len(unknown)} of unknown fate" if unknown else f"{len(snapshot.orders)}")
    for row in snapshot.risk:
        if row.name in _CHECKED:
            bad = "alarm" if row.name in _ALARMS else "warn"
            if row.asked:
                say(row.name, bad if row.holding else "ok", f"{row.now}, limit {row.limit}")
            elif card.mode == "LIVE":  # simulated money is in no wallet
                say(row.name, "unasked", f"{row.now}: the desk has read no chain")
    if card.source in ("live", "loopback"):
        age_s = (now - snapshot.at) / SECOND
        say("clock", "ok" if abs(age_s) < 5 else "alarm", f"last event {age_s:.1f} s ago")
    return found


def disk(folders: Iterable[Path]) -> list[Finding]:
    """Room for the records."""
    found = []
    for folder in folders:
        place = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
        free = shutil.disk_usage(place).free
        level = "alarm" if free < DISK_LOW[1] else "warn" if free < DISK_LOW[0] else "ok"
        found.append(Finding("machine", "disk", level, f"{free / 1024**3:.1f} GiB free at {place}"))
    return found


def see(wanted: Sequence[str], known: Known | None = None) -> Look:
    """Look at every desk that runs or, where some are named, at those and no others: by run, profile, or a profile's file. Those of mode
    live are looked at from outside too, at the venue and on chain. `known`: what earlier looks learned; it learns more."""
    known, named = known or Known(), _named(wanted)
    names = {named[name].name if name in named else name for name in wanted}
    firsts = [one for one in running() if not names or names & _names(one)]
    time.sleep(APART_S)
    findings, alive, lost = disk([state_folder()]), list[Seen](), list[Seen]()
    for first in firsts:
        now = look(first.socket)
        if now.frame is None:
            lost.append(now)
            continue
        alive.append(now)
        findings.append(Finding(now.run, "alive", "ok", f"process {now.frame.card.pid}, profile {now.frame.card.profile}"))
        findings += judge(first, now.frame, Nanos(time.time_ns()))
    here = {name for one in alive if one.frame is not None for name in (one.run, one.frame.card.profile)}
    # A desk that crashed and was started again is well, though its first socket is still there.
    lost = [one for one in lost if not one.gone or _profile_of(one.run) not in here]
    missing = [name for name in wanted if (named[name].name if name in named else name) not in here]
    findings += [Finding(one.run, "alive", "alarm", one.why) for one in lost]
    findings += [Finding(named[name].name if name in named else name, "alive", "alarm", "does not run") for name in missing]
    if not firsts and not wanted:
        findings.append(Finding("machine", "desks", "warn", "none runs"))
    found = _outside(alive, lost, [named[name] for name in missing if name in named], {one.name: one for one in named.values()}, known)
    return Look(Nanos(time.time_ns()), tuple(sorted(found, key=lambda one: one.level != "alarm") + findings))


def _outside(
    alive: Sequence[Seen], lost: Sequence[Seen], missing: Sequence[Profile], named: Mapping[str, Profile], known: Known
) -> list[Finding]:
    """What the venue and the chain say of the desks of mode live: those that answer, those that are lost, those that should run."""
    subjects, findings, dead = list[Subject](), list[Finding](), set[str]()
    for one in alive:
        if one.frame is None or one.frame.card.mode != "LIVE":
            continue
        known.live.pop(one.run, None)
        known.live[one.run] = one.frame.card.profile
        while len(known.live) > LIVE_KEPT:
            del known.live[next(iter(known.live))]
        profile = named.get(one.frame.card.profile) or _named([one.frame.card.profile]).get(one.frame.card.profile)
        if profile is None:
            findings.append(Finding(one.run, "venue orders", "unasked", UNNAMED))
        else:
            subjects.append(Subject(one.run, profile, one.socket, one.frame))
    for one in lost:
        name = known.live.get(one.run, _profile_of(one.run))
        profile = named.get(name) or _named([name]).get(name)
        if profile is not None and profile.is_live:
            dead.add(profile.name)
            subjects.append(Subject(one.run, profile, one.socket, None, not one.gone))
        elif profile is None and one.run in known.live:
            findings.append(Finding(one.run, "venue orders", "unasked", UNNAMED))
    subjects += [Subject(profile.name, profile) for profile in missing if profile.is_live and profile.name not in dead]
    if subjects:
        from pmm_tui.runtime.outside import ask_all  # the venue's client and the node's take their time to load

        findings += asyncio.run(ask_all(subjects, known))
    return findings


def _named(wanted: Sequence[str]) -> dict[str, Profile]:
    """Those of the names that are profiles."""
    found = {}
    for name in wanted:
        try:
            found[name] = load(name)
        except (ValueError, OSError):
            # A run's name, or a profile that is refused: the desk is looked for by the name all the same.
            continue
    return found


def _names(one: Seen) -> set[str]:
    """What a desk goes by: its run, and its profile."""
    return {one.run, one.frame.card.profile if one.frame is not None else _profile_of(one.run)}


def _profile_of(run: str) -> str:
    """A run's name begins with its profile's, before day, time and chance."""
    return run.rsplit("-", 3)[0]


class Memory(Struct):
    """What is kept between looks: a timer's looks are processes of their own, and must not say everything anew."""

    watch: Watch = field(default_factory=Watch)
    known: Known = field(default_factory=Known)


def monitor(wanted: Sequence[str], every_s: float, as_json: bool, quiet: bool) -> int:
    """Look once (`every_s` 0) or for ever, tell the channels what changed, print what is seen. The exit code of the last look."""
    channels, kept = find_channels(), state_folder() / "monitor.json"
    memory = _remembered(kept)
    while True:
        seen = see(wanted, memory.known)
        _print(seen, as_json, quiet)
        message = memory.watch.take(seen)
        if message is not None and channels:
            _send(channels, message)
        private_folder(kept.parent)
        replace(kept, msgspec.json.encode(memory))
        if not every_s:
            return CODES[seen.level]
        time.sleep(every_s)


def _remembered(path: Path) -> Memory:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except (OSError, msgspec.MsgspecError):
        return Memory()


def try_channels() -> int:
    """Send a test message to every channel. 0: all took it; 1: one did not; 3: there is none."""
    channels = find_channels()
    if not channels:
        sys.stderr.write("pmm-tui: no alert channel: put apprise URLs into alerts.txt beside the profiles, or into POLYMARKET_ALERT_URLS\n")
        return CODES["alarm"]
    failed = _send(channels, Message("info", ("· this is a test: alerts of pmm-tui arrive here",), 0))
    sys.stdout.write("every channel took it\n" if not failed else "")
    return CODES["warn"] if failed else 0


def _send(channels: Channels, message: Message) -> list[str]:
    failed = asyncio.run(channels.send(f"pmm-tui {message.level}", message))
    for name in failed:
        sys.stderr.write(f"pmm-tui: the alert channel {name} did not take the message\n")
    return failed


def _print(seen: Look, as_json: bool, quiet: bool) -> None:
    if as_json:
        told = {"at": seen.at, "level": seen.level, "findings": seen.findings}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        for one in seen.findings:
            if not quiet or one.level != "ok":
                sys.stdout.write(f"{one}\n")
    sys.stdout.flush()
