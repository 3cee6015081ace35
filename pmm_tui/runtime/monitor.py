"""`pmm-tui monitor`: looks at the desks from outside, says what is wrong and what is well again, in a loop or once for a timer."""

import asyncio
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field, structs

from pmm_tui.api.protocol import mode_word
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import SECOND, Cash, Nanos
from pmm_tui.record.files import private_folder, replace
from pmm_tui.runtime.alerts import Box, Message, Post, find_channels
from pmm_tui.runtime.fleet import Seen, look, running
from pmm_tui.runtime.places import CannotStart, state_folder
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.runtime.watch import CODES, Finding, Look, Watch

APART_S = 0.5
"""Two looks so far apart tell whether a desk ticks: it does ten times a second."""
DOWN_S = 10.0
"""A link that is down for longer is said; shorter is a reconnect."""
UNKNOWN_S = 60.0
"""An order whose fate is unknown for longer is said."""
DISK_LOW = (2 * 1024**3, 256 * 1024**2)
"""Free bytes that warn, and that alarm."""
EVERY_S_MAX = 86_400.0
SENDING_S = 0.05
_CHECKED = ("account check", "wallet check", "data age", "crossed books", "failed trades")
_RUN = re.compile(r"(.+)-\d{8}-\d{6}-[0-9a-f]{4}")
LIVE_KEPT = 100
UNNAMED = "not asked: its profile is not found by its name; name its file: pmm-tui monitor FILE"
_ALARMS = ("account check", "wallet check", "failed trades")


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
    profiles = {name: name for name in names}
    time.sleep(APART_S)
    findings, alive, lost = disk([state_folder()]), list[Seen](), list[Seen]()
    for first in firsts:
        now = look(first.socket)
        if now.frame is None:
            lost.append(now)
            continue
        alive.append(now)
        profiles[now.run] = now.frame.card.profile
        findings.append(Finding(now.run, "alive", "ok", f"process {now.frame.card.pid}, profile {now.frame.card.profile}"))
        findings += judge(first, now.frame, Nanos(time.time_ns()))
    here = {name for one in alive if one.frame is not None for name in (one.run, one.frame.card.profile)}
    # A desk that crashed and was started again is well, though its first socket is still there.
    lost = [one for one in lost if not one.gone or _profile_of(one.run) not in here]
    profiles |= {one.run: known.live.get(one.run, _profile_of(one.run)) for one in lost}
    hanging = {name for one in lost if not one.gone for name in (one.run, profiles[one.run])}
    missing = [name for name in wanted if (named[name].name if name in named else name) not in here | hanging]
    findings += [Finding(one.run, "alive", "alarm", one.why if one.gone else f"hangs, it does not answer: {one.why}") for one in lost]
    findings += [Finding(named[name].name if name in named else name, "alive", "alarm", "does not run") for name in missing]
    if not wanted:
        findings.append(Finding("machine", "desks", "ok" if firsts else "warn", f"{len(firsts)} here" if firsts else "none runs"))
    found = _outside(alive, lost, [named[name] for name in missing if name in named], {one.name: one for one in named.values()}, known)
    found.sort(key=lambda one: one.level != "alarm")
    return Look(Nanos(time.time_ns()), (*found, *findings), profiles)


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
    found = _RUN.fullmatch(run)
    return found[1] if found is not None else run


class Memory(Struct):
    """What is kept between looks: a timer's looks are processes of their own, and must not say everything anew."""

    watch: Watch = field(default_factory=Watch)
    known: Known = field(default_factory=Known)
    boxes: dict[str, Box] = {}
    """What channels have not taken yet."""


def monitor(wanted: Sequence[str], every_s: float, as_json: bool, quiet: bool) -> int:
    """Look once (`every_s` 0) or for ever: tell the channels what changed, keep what was told, then print. The exit code of the last look.

    Whatever cannot be kept or printed, the channels are told.
    """
    if every_s > EVERY_S_MAX:
        raise CannotStart(f"--every: found {every_s / 3600:.0f} h; allowed: at most {EVERY_S_MAX / 3600:g} h")
    channels, path = find_channels(), _memory_path(wanted)
    memory = _remembered(path)
    post = Post(channels, "pmm-tui monitor", memory.boxes)
    memory.boxes = post.boxes
    while True:
        seen = see(wanted, memory.known)
        post.put(memory.watch.take(seen))
        _bring(post)
        why = _keep(path, memory)
        if why:
            seen = structs.replace(seen, findings=(*seen.findings, Finding("machine", "memory", "warn", why)))
        read = _print(seen, as_json, quiet)
        if not every_s or not (read or channels):
            return CODES[seen.level]
        time.sleep(every_s)


def _memory_path(wanted: Sequence[str]) -> Path:
    """One for each set of names: what a look at other desks does not speak of has not become well."""
    mark = hashlib.sha256("\0".join(sorted(set(wanted))).encode()).hexdigest()[:8]
    return state_folder() / (f"monitor-{mark}.json" if wanted else "monitor.json")


def _remembered(path: Path) -> Memory:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except (OSError, msgspec.MsgspecError):
        return Memory()


def _keep(path: Path, memory: Memory) -> str:
    """Why it could not be kept; empty where it is."""
    try:
        private_folder(path.parent)
        replace(path, msgspec.json.encode(memory))
    except OSError as wrong:
        return f"what was said cannot be kept, and will be said again: {wrong.strerror or wrong}: {path}"
    return ""


def try_channels() -> int:
    """Send a test message to every channel. 0: all took it; 1: one did not; 3: there is none."""
    channels = find_channels()
    if not channels:
        _complain("no alert channel: put apprise URLs into alerts.txt beside the profiles, or into POLYMARKET_ALERT_URLS")
        return CODES["alarm"]
    failed = asyncio.run(channels.send("pmm-tui test", Message("info", ("· this is a test: alerts of pmm-tui arrive here",), 0)))
    for name in failed:
        _complain(f"the alert channel {name} did not take the message")
    sys.stdout.write("every channel took it\n" if not failed else "")
    return CODES["warn"] if failed else 0


def _bring(post: Post) -> None:
    """All that is due now, until each channel has answered or its time is over."""
    while True:
        for name in post.turn(Nanos(time.time_ns())):
            _complain(f"the alert channel {name} did not take the message: a later look tries again")
        if not post.under_way:
            return
        time.sleep(SENDING_S)


def _complain(text: str) -> None:
    try:
        sys.stderr.write(f"pmm-tui: {text}\n")
    except OSError:
        pass  # who looks for others goes on, read or not


def _print(seen: Look, as_json: bool, quiet: bool) -> bool:
    """Whether it could be written."""
    if as_json:
        said = msgspec.json.encode({"at": seen.at, "level": seen.level, "findings": seen.findings}).decode() + "\n"
    else:
        said = "".join(f"{one}\n" for one in seen.findings if not quiet or one.level != "ok")
    try:
        sys.stdout.write(said)
        sys.stdout.flush()
    except OSError as wrong:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left over is flushed at the end
        if not isinstance(wrong, BrokenPipeError):
            _complain(f"what was seen cannot be printed: {wrong.strerror}")
        return False
    return True
