"""What the console can look like: every screen, size and state for paper, LIVE and both; every theme; every question that it asks."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from msgspec.structs import replace

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame, NoteRow
from pmm_tui.core.units import Cash, Nanos, Size
from pmm_tui.tui.elsewhere import PreflightLine
from pmm_tui.tui.palette import THEMES
from pmm_tui.tui.state import Scene
from pmm_tui.tui.traces import Traces
from tests.faces import pictures, scenes
from tests.faces.fake_desk import ENDED, LOST, UP
from tests.faces.honest import honest, ours, pulled, within
from tests.faces.pictures import NOW
from tests.faces.test_compare import run

SIZES = {"160x48": (160, 48), "120x36": (120, 36), "80x24": (80, 24), "60x12": (60, 12)}
SCREENS = {"dashboard": 1, "market": 2, "orders": 3, "fills": 4, "risk": 5, "log": 6, "compare": 8}
"""By name their number; 7 is a question, not a screen."""
MODES = ("paper", "live", "both", "both-e")
"""Paper alone, production alone, production in a state beside a paper desk that is well; the same with the keys at production."""
EVERYDAY = "quoting"
LOOKS = (*THEMES, "red_up", "NO_COLOR")


class State(NamedTuple):
    """One state of a desk and of the console that shows it."""

    frame: Frame | None
    link: Link = UP
    frozen: bool = False
    read_only: bool = False


class Seen(NamedTuple):
    """What one console shows: its desks, the keys' first, and its own modes."""

    here: State
    beside: State | None = None
    keys_at_other: bool = False


def as_paper(frame: Frame) -> Frame:
    """The same picture from a paper desk."""
    card = replace(pictures.card(), source=frame.card.source, speed=frame.card.speed, tape_position=frame.card.tape_position)
    return replace(frame, card=replace(card, busy=frame.card.busy, deadman_s=frame.card.deadman_s, unwatched=frame.card.unwatched))


def as_live(frame: Frame) -> Frame:
    """The same picture from the production desk."""
    card = as_paper(frame).card
    ours = pictures.live().card
    named = replace(card, profile=ours.profile, run=ours.run, fill_model=ours.fill_model, account=ours.account)
    return replace(frame, card=replace(named, mode="LIVE"))


def _whole(frame: Frame) -> Frame:
    """The picture of a desk that is well but for what its state says, with no figure that contradicts another."""
    return honest(pulled(within(frame)))


@cache
def figures(mode: str) -> Frame:
    """The everyday picture with the figures of an hour: production waits longer, fills less and is picked off more."""
    if mode == "paper":
        return replace(_whole(pictures.three()), stats=run(1, 60, 0.6, 40.0, 0.004))
    return replace(_whole(scenes.production()), stats=run(2, 60, 0.25, 90.0, -0.002, gas=0.04))


def _capped() -> Scene:
    """One of the markets is at its position cap."""
    frame = within(pictures.three())
    first, _, third = frame.snapshot.markets
    return scenes.scene(replace(frame, snapshot=replace(frame.snapshot, markets=(first, pictures.second(), third))))


def _deadman() -> Scene:
    frame = scenes.production()
    return scenes.scene(replace(frame, card=replace(frame.card, deadman_s=12.4)))


def _external() -> Scene:
    """Somebody trades by hand with the wallet of the desk."""
    frame = scenes.production()
    first, second = frame.snapshot.orders
    orders = (replace(first, id=-7, status="EXTERNAL", why="not placed by this desk"), second)
    fills = tuple(replace(one, order=-7) if not number else one for number, one in enumerate(frame.snapshot.fills))
    return scenes.scene(replace(frame, snapshot=replace(frame.snapshot, orders=orders, fills=fills)))


def _cooling() -> Scene:
    frame = scenes.killed()
    return scenes.scene(replace(frame, snapshot=replace(frame.snapshot, resets_at=Nanos(NOW + 421_000_000_000))))


def _ended() -> Scene:
    """A desk that stopped in order took its orders back before."""
    frame = pictures.quoting()
    rows = tuple(ours(replace(row, quotes=()), ()) for row in frame.snapshot.markets)
    return scenes.scene(replace(frame, snapshot=replace(frame.snapshot, markets=rows, orders=())), ENDED)


def _exposed() -> Scene:
    """Production cannot see its account while its orders rest."""
    frame = scenes.production()
    gone = [
        replace(one, up=False, since=pictures.ago(42), why="timeout") for one in frame.snapshot.feeds if one.link in ("account", "user")
    ]
    rest = [one for one in frame.snapshot.feeds if one.link not in ("account", "user")]
    return scenes.scene(replace(frame, snapshot=replace(frame.snapshot, feeds=(*gone, *rest))))


def _uncertain() -> Scene:
    """An order of production was not answered for longer than a moment: nobody knows whether it rests."""
    frame = scenes.production()
    first, second = frame.snapshot.orders
    unsure = replace(
        second, status="UNCERTAIN", sent_at=pictures.ago(13), why="timeout after 5 s", ahead=Size(-1), unsure_at=pictures.ago(8)
    )
    note = NoteRow(pictures.ago(8), "warn", f"order {second.id} uncertain: timeout after 5 s")
    notes = tuple(sorted((note, *frame.snapshot.notes), key=lambda one: -one.at))
    return scenes.scene(replace(frame, snapshot=replace(frame.snapshot, orders=(first, unsure), notes=notes)))


def _rehearsal() -> Scene:
    """The production desk on an exchange of this machine."""
    frame = scenes.production()
    return scenes.scene(replace(frame, card=replace(frame.card, source="loopback")))


def _storm() -> Scene:
    """The venue refuses order after order."""
    frame = scenes.production()
    refused = tuple(
        NoteRow(pictures.ago(number / 2), "warn", f"order {950 - number} SELL 10 Up @ 53.0 refused: it would cross the book")
        for number in range(1, 42)
    )
    notes = tuple(sorted((*refused, *frame.snapshot.notes), key=lambda one: -one.at))
    return scenes.scene(replace(frame, snapshot=replace(frame.snapshot, rejects={"post_only": 41}, notes=notes)))


MADE: dict[str, Callable[[], Scene]] = scenes.STATES | {
    "capped": _capped,
    "dead-man": _deadman,
    "ended": _ended,
    "exposed": _exposed,
    "order uncertain": _uncertain,
    "rehearsal": _rehearsal,
    "reject storm": _storm,
    "kill not answered": lambda: scenes.scene(scenes.production(), LOST),
    "tape": lambda: scenes.scene(pictures.tape()),
    "traded by hand": _external,
    "killed, cooling down": _cooling,
    "hostile texts": lambda: scenes.scene(pictures.hostile()),
}
"""By name what makes the scene of a state."""
REVIEWED = ("held", "capped")
"""The states in which a cap holds a market; in all others no desk is near one."""


@cache
def state(name: str, mode: str) -> State | None:
    """A state as one of the two desks has it; None where that desk cannot be in it: a simulation has no venue that restarts."""
    if name == EVERYDAY:
        return State(figures(mode))
    made = MADE[name]()
    frame = made.frame
    if frame is not None and (frame.card.mode == "LIVE" if mode == "paper" else name == "tape"):
        return None
    if frame is None:
        return State(frame, made.link, made.frozen, made.read_only)
    if name == "hostile texts":
        return State(replace(frame, card=replace(frame.card, mode=mode.upper())), made.link)
    frame = frame if name in REVIEWED else within(frame)
    kept = honest(frame if frame.snapshot.phase == "killing" else pulled(frame))
    stats = figures(mode).stats if kept.snapshot.fills else replace(run(1, 0, 0.0, 0.0, 0.0), reasons=())
    counted = replace(as_paper(kept) if mode == "paper" else as_live(kept), stats=stats)
    return State(counted, made.link, made.frozen, made.read_only)


def seen(name: str, mode: str) -> Seen | None:
    """What a console in a mode shows of a state."""
    one = state(name, "paper" if mode == "paper" else "live")
    if one is None:
        return None
    if mode in ("paper", "live"):
        return Seen(one)
    return Seen(State(figures("paper")), one, mode == "both-e")


STATES = tuple(MADE)


@cache
def traces(name: str, mode: str) -> Traces:
    """The five minutes before; a console keeps them, no picture has them."""
    one = state(name, mode)
    return scenes.traces(one.frame if one is not None else None)


def checked(against: str = "", failed: str = "") -> PreflightLine:
    """A stored preflight of production."""
    names = ("venue and key", "clock", "balance", "allowances", "place and cancel", "kill drill")
    return PreflightLine(NOW, against, tuple((name, name != failed, "$3 at the venue") for name in names))


def paused(frame: Frame) -> Frame:
    """The same desk, all of it paused."""
    why = "paused by the operator"
    rows = tuple(
        replace(row, state="paused", why=why, quotes=tuple(replace(one, held=one.held or why) for one in row.quotes))
        for row in frame.snapshot.markets
    )
    return pulled(replace(frame, snapshot=replace(frame.snapshot, phase="paused", why="paused by console:pts/3", markets=rows, orders=())))


def heavy() -> Frame:
    """A production desk with more at stake than one key may flatten."""
    frame = scenes.production()
    rows = tuple(replace(row, yes=pictures.lots(400), no=Size(0), cost=Cash(round(row.mid * 4e8))) for row in frame.snapshot.markets)
    more = pictures.usd(1_800)
    had = frame.snapshot.money
    money = replace(
        had, initial=had.initial + more, equity=had.equity + more, peak=had.peak + more, drawdown_pct=0.1,
        halts_at=Cash(had.halts_at + 4 * more // 5),
    )  # fmt: skip
    curve = tuple((at, Cash(value + more)) for at, value in frame.snapshot.equity_curve)
    return replace(frame, snapshot=replace(frame.snapshot, markets=rows, money=money, equity_curve=curve))


def killed_live() -> Frame:
    """Production, killed and verified."""
    return scenes.killed()


class Asked(NamedTuple):
    """How a question comes up: the desks, the keys, what the desk answers, what this machine knows."""

    here: Callable[[], Frame]
    keys: tuple[str, ...]
    beside: Callable[[], Frame] | None = None
    typed: str = ""
    answers: dict[str, tuple[bool, str]] = {}  # noqa: RUF012 # never changed
    preflight: PreflightLine | None = None


WIDER = (True, "max_position_size: 200 -> 300\nmin_price: 0.03 -> 0.05")
ASKED: dict[str, Asked] = {
    "help": Asked(pictures.tape, ("question_mark",)),
    "help of the market": Asked(pictures.three, ("2", "question_mark")),
    "flatten": Asked(pictures.three, ("f",)),
    "flatten all": Asked(pictures.three, ("F",)),
    "flatten LIVE": Asked(scenes.production, ("f",)),
    "flatten LIVE, typed": Asked(heavy, ("F",)),
    "resume LIVE": Asked(lambda: paused(scenes.production()), ("space",), typed="RESUME LI"),
    "reset paper": Asked(pictures.killed, ("R",), typed="RESET PAPER gap is closed"),
    "reset LIVE": Asked(killed_live, ("R",)),
    "go LIVE": Asked(pictures.three, ("m",), lambda: paused(scenes.production()), typed="LIVE prod", preflight=checked()),
    "go LIVE, no preflight": Asked(pictures.three, ("m",), lambda: paused(scenes.production())),
    "go LIVE, preflight failed": Asked(
        pictures.three, ("m",), lambda: paused(scenes.production()), preflight=checked("the last one failed", "balance")
    ),
    "go LIVE, killed": Asked(pictures.three, ("m",), killed_live),
    "go LIVE, none shown": Asked(pictures.three, ("m",)),
    "reload wider": Asked(pictures.three, ("r",), answers={"reload": WIDER}),
    "reload wider LIVE": Asked(scenes.production, ("r",), answers={"reload": WIDER}),
    "leave LIVE": Asked(scenes.production, ("q",)),
    "stop": Asked(pictures.three, ("Q",)),
    "stop LIVE": Asked(scenes.production, ("Q",)),
    "unlock": Asked(pictures.three, ("ctrl+l", "ctrl+l")),
    "filter": Asked(pictures.three, ("slash",), typed="fed"),
    "palette": Asked(pictures.three, ("colon",), typed="th"),
    "layouts": Asked(pictures.three, ("0",)),
    "runs": Asked(pictures.three, ("ctrl+o",), answers={"reload": WIDER}),
}
"""Every dialog, by what it is for, over hand-made pictures."""


def _asked(one: Asked) -> Asked:
    """The same question over whole pictures."""
    here, beside = one.here, one.beside
    return one._replace(here=lambda: _whole(here()), beside=None if beside is None else lambda: _whole(beside()))


QUESTIONS = {name: _asked(one) for name, one in ASKED.items()}
"""Every dialog, by what it is for."""
