"""What the console can look like: every screen, size and state for paper, LIVE and both; every theme; every question that it asks."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from msgspec.structs import replace

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame, KillRow, LevelRow, MarketRow, NoteRow, OrderRow, Snapshot
from pmm_tui.core.units import ONE, SHARE, Cash, Nanos, Size, pays
from pmm_tui.tui.elsewhere import PreflightLine
from pmm_tui.tui.exposed import unconfirmed
from pmm_tui.tui.palette import THEMES
from pmm_tui.tui.state import Scene, Traces
from tests.faces import pictures, scenes
from tests.faces.fake_desk import ENDED, LOST, UP
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


def pulled(frame: Frame) -> Frame:
    """The same picture with nothing of ours in a book that is not quoted: a scene that only names a state still has it."""
    still = {row.id for row in frame.snapshot.markets if row.state not in ("quoting", "closing")}
    rows = tuple(
        replace(
            row, quotes=tuple(quote for quote in row.quotes if quote.held),
            bids=tuple(replace(one, ours=Size(0)) for one in row.bids), asks=tuple(replace(one, ours=Size(0)) for one in row.asks),
        ) if row.id in still else row
        for row in frame.snapshot.markets
    )  # fmt: skip
    orders = tuple(one for one in frame.snapshot.orders if one.market not in still or one.status != "OPEN")
    return replace(frame, snapshot=replace(frame.snapshot, markets=rows, orders=orders))


def _ours(row: MarketRow, orders: tuple[OrderRow, ...]) -> MarketRow:
    """The market with what its orders rest in its book."""
    rests: Counter[tuple[bool, int]] = Counter()
    for one in orders:
        if one.market == row.id and one.status in ("OPEN", "CANCELLING", "UNCERTAIN"):
            same = one.outcome == row.outcomes[0]
            rests[(one.side == "BUY") is same, one.price if same else ONE - one.price] += one.size - one.filled

    def told(levels: tuple[LevelRow, ...], bids: bool) -> tuple[LevelRow, ...]:
        return tuple(replace(level, ours=Size(rests[bids, level.price])) for level in levels)

    return replace(row, bids=told(row.bids, True), asks=told(row.asks, False))


def honest(frame: Frame) -> Frame:
    """The same picture with no figure that another one of it contradicts: what rests, what it binds, what is held, how old the data are."""
    snapshot = frame.snapshot
    quiet = {row.id for row in snapshot.markets if row.state in ("stale", "paused", "warming", "resolved")}
    answered = [one for one in snapshot.orders if one.status != "UNCERTAIN" or unconfirmed(one, snapshot.at)]
    orders = tuple(one for one in answered if one.market not in quiet)
    traded = {one.market for one in orders}
    rows = tuple(_ours(row, orders) if row.id in traded | quiet else row for row in snapshot.markets)
    net = abs(rows[0].yes - rows[0].no) if rows else 0
    age_s = max((row.health.age_ms for row in rows if row.state == "stale"), default=100) / 1_000
    now = {
        "open orders": (str(len(orders)), len(orders) / 200, False),
        "net position": (f"{net / SHARE:g} sh", net / SHARE / 500, net >= 500 * SHARE),
        "data age": (f"{age_s:.1f} s", age_s / 2, age_s > 2),
    }
    risk = tuple(
        replace(one, now=now[one.name][0], used=now[one.name][1], holding=now[one.name][2]) if one.name in now else one
        for one in snapshot.risk
    )
    feeds = tuple(
        replace(one, up=False, since=pictures.ago(age_s), why=f"no data for {age_s:.1f} s, reconnecting") if one.link == "market" else one
        for one in snapshot.feeds
    )
    bound = sum(pays(one.price, Size(one.size - one.filled)) for one in orders if one.side == "BUY")
    money = replace(snapshot.money, reserved=Cash(bound))
    changed = replace(snapshot, orders=orders, markets=rows, risk=risk, feeds=feeds if age_s > 2 else snapshot.feeds, money=money)
    changed = _stopped(changed) if snapshot.phase in ("killing", "killed") else changed
    return replace(frame, snapshot=_noted(changed, frame.card.unwatched))


def _noted(snapshot: Snapshot, unwatched: str) -> Snapshot:
    """With the notes that a desk makes of its kill, its pause and its venue's mode."""
    still = snapshot.phase in ("killing", "killed", "paused")
    made = [note for note in snapshot.notes if not (still and note.text.startswith(("KILLED", "kill verified", "requote")))]
    for step, text in (("stop quoting", f"KILLED: {snapshot.why}"), ("verify", "kill verified: the venue's account holds no open order")):
        made += [NoteRow(row.at, "alarm", text) for row in snapshot.kill if row.step == step and row.at]
    if snapshot.venue.mode != "open":
        made.append(NoteRow(snapshot.venue.since, "warn", f"the venue is {snapshot.venue.mode}"))
    if snapshot.phase == "paused":
        actor = "operator watch" if unwatched else snapshot.why.removeprefix("paused by ")
        made.append(NoteRow(pictures.ago(14), "warn", f"{actor} paused the desk" + (f": {unwatched}" if unwatched else "")))
    return replace(snapshot, notes=tuple(sorted(made, key=lambda note: -note.at)))


def _stopped(snapshot: Snapshot) -> Snapshot:
    """A kill in the steps that a desk tells of, with the drawdown that led to it."""
    began = next(step.at for step in snapshot.kill if step.at)
    proven = Nanos(began + 600_000_000) if snapshot.phase == "killed" else Nanos(0)
    left = len(snapshot.orders)
    steps = (
        KillRow("stop quoting", began, "admission closed"),
        KillRow("cancel all", proven, "none left in our books" if proven else f"{left} not yet gone"),
        KillRow("verify", proven, "account holds no order" if proven else "not yet, asked 2 times"),
        KillRow("flatten", Nanos(0), "kept until flattened"),
    )
    lost = replace(pictures.killed().snapshot.money, reserved=snapshot.money.reserved)
    why = snapshot.why if snapshot.money.initial == lost.initial else "kill switch by console:pts/3"
    return replace(snapshot, kill=steps, why=why, money=lost if snapshot.money.initial == lost.initial else snapshot.money)


@cache
def figures(mode: str) -> Frame:
    """The everyday picture with the figures of an hour: production waits longer, fills less and is picked off more."""
    if mode == "paper":
        return replace(honest(pulled(pictures.three())), stats=run(1, 60, 0.6, 40.0, 0.004))
    return replace(honest(pulled(scenes.production())), stats=run(2, 60, 0.25, 90.0, -0.002, gas=0.04))


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
    rows = tuple(_ours(replace(row, quotes=()), ()) for row in frame.snapshot.markets)
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
    return scenes.scene(replace(frame, snapshot=replace(frame.snapshot, rejects={"post_only": 41})))


MADE: dict[str, Callable[[], Scene]] = scenes.STATES | {
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
    """Production with more at stake than one key may flatten."""
    frame = scenes.production()
    rows = tuple(replace(row, yes=pictures.lots(900), cost=pictures.usd(480)) for row in frame.snapshot.markets)
    return replace(frame, snapshot=replace(frame.snapshot, markets=rows))


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
QUESTIONS: dict[str, Asked] = {
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
"""Every dialog, by what it is for."""
