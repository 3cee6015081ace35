"""What the console concludes from a picture: the one word for the desk and why, what holds it, what the worst end costs."""

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame, MarketRow, Snapshot
from pmm_tui.core.units import ONE, Cash, Nanos, gets
from pmm_tui.study.compare import DIVERGES_ABOVE
from pmm_tui.tui import format as f
from pmm_tui.tui.exposed import BARRED, at_large, dark, exposed, foreign, gone, passed
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.traces import Traces
from pmm_tui.tui.troubles import VENUE, Verdict, killing, mismatch, venue_verdict
from pmm_tui.tui.words import fault, plain

SILENT_S = 3.0
"""A desk sends ten pictures a second: after this it counts as lost, connected or not."""
OVER = ("closed", "resolved")
UNREADY = ("waiting", "warming")
DEADMAN_SHOWN_S, DEADMAN_LOUD_S = 60.0, 15.0
"""The operator's dead-man is shown, and is an alarm, from so many seconds before it acts."""
REPLAY = "replay"
"""The card's source where a finished run is played again."""

Symbols = Literal["braille", "block", "ascii"]
"""What charts are drawn with."""


class Scene(Struct, frozen=True):
    """All that a pane may look at."""

    frame: Frame | None
    link: Link
    selected: int = 0
    """Index of the selected market; always within the markets, or 0."""
    wall: Nanos = Nanos(0)
    message: tuple[str, str] = ("", "")
    """The last answer to a key: style and text."""
    pane: int = 1
    """1: the dashboard; else the number of the pane that fills the screen."""
    beside: "Scene | None" = None
    """The other desk, where the console shows two; keys go to this one."""
    traces: Traces | None = None
    """What this desk's pictures showed lately, for the charts."""
    frozen: bool = False
    """The display stands still at the operator's word; the desk does not."""
    now: "Scene | None" = None
    """While the display stands still: what is so now, which the banner, the foot and a kill are always told from."""
    read_only: bool = False
    """This console may only look."""
    locked: bool = False
    """It may until it is unlocked, and kill."""
    ringing: bool = False
    """An alarm of a desk that is shown was not acknowledged yet."""
    deadman_s: float = math.nan
    """Seconds until the desk acts because no operator was heard; NaN where it never does."""
    storm: str = ""
    """How many orders were refused within how long, while that is an alarm."""
    above: float = DIVERGES_ABOVE
    """A figure diverges where the two desks are more than so many times apart."""
    unanswered: str = ""
    """What is to be done by hand where a kill was not answered; until the desk shows that it stopped."""
    symbols: Symbols = "braille"
    depth: int = 0
    """Levels a side of the ladder; 0: as many as fit."""
    no_side: bool = False
    """The ladder of the other outcome."""
    shift: int = 0
    """Rows that the ladder is moved down from its middle; negative: up."""
    probability: bool = False
    """Prices from 0 to 1 instead of cents."""
    log_bars: bool = False
    """The ladder's bars grow with the logarithm of the size."""
    scroll: int = 0
    """Rows that a list is scrolled down by."""
    filter: str = ""
    """Only rows that have this text in them, whatever its case; with ! before it, only those that have not."""
    place: int = 0
    """Which of the desks it is, in the order in which they were asked for."""

    @property
    def market(self) -> MarketRow | None:
        """The selected market; None where there is none."""
        markets = self.frame.snapshot.markets if self.frame is not None else ()
        return markets[self.selected] if 0 <= self.selected < len(markets) else None

    @property
    def present(self) -> "Scene":
        """The scene as it is now, whatever the display stands at."""
        return self.now if self.now is not None else self

    def arrived(self, at: Nanos) -> Nanos:
        """This machine's time of an event or a fill that the desk told of."""
        return self.traces.arrivals.of(at) if self.traces is not None else at

    @property
    def lost(self) -> bool:
        """Whether what is shown may no longer be so."""
        return not self.link.connected or self.link.age_s > SILENT_S

    @property
    def live(self) -> bool:
        """Whether real money is at stake."""
        return is_real(self.frame)

    @property
    def rehearsing(self) -> bool:
        """The production desk on an exchange of this machine: real orders, no money."""
        return self.frame is not None and self.frame.card.mode == "LIVE" and self.frame.card.source == "loopback"

    @property
    def replayed(self) -> bool:
        """A finished run, played again: nothing that is shown happens now."""
        return self.frame is not None and self.frame.card.source == REPLAY

    @property
    def stopped(self) -> bool:
        """Whether the kill switch has tripped."""
        return self.frame is not None and self.frame.snapshot.phase in ("killing", "killed")


def is_real(frame: Frame | None) -> bool:
    """Whether the desk of this picture trades real money."""
    return frame is not None and frame.card.mode == "LIVE" and frame.card.source not in ("loopback", REPLAY)


def why_lost(link: Link) -> str:
    """How long ago the last picture came, and what is being done."""
    why = f.clean(link.why).removeprefix("no desk, ")
    tries = f"try {link.attempts + 1}{': ' if why else ''}{why}"
    if not math.isfinite(link.age_s):
        return "connected, no picture yet" if link.connected else tries if link.attempts else why or "asking the desk's socket"
    when = f"last picture {f.age(link.age_s)} ago"
    return f"{when}, the desk is silent" if link.connected else f"{when}, {tries}"


def quoting(scene: Scene) -> tuple[int, int]:
    """How many markets are quoting, of how many that are not over."""
    markets = scene.frame.snapshot.markets if scene.frame is not None else ()
    open_ = [row for row in markets if row.state not in OVER]
    return sum(row.state == "quoting" for row in open_), len(open_)


def desk_verdict(scene: Scene) -> Verdict:
    """The banner's word: the worst thing that is true comes first."""
    frame = scene.frame
    if scene.unanswered:
        return not_answered(scene)
    if frame is None:
        if scene.link.connected:
            return Verdict("…", "WAITING FOR THE DESK", why_lost(scene.link), "waiting")
        if not scene.link.attempts:
            return Verdict("…", "CONNECTING", why_lost(scene.link), "waiting")
        return Verdict("✖", "NO DESK YET", why_lost(scene.link), "lost")
    if scene.lost:
        if scene.link.ended:
            when, held = f"last picture {f.age(scene.link.age_s)} ago", positions(frame.snapshot)
            if held:
                return Verdict("■", "DESK ENDED", f"{_many(held, 'position')} left, unwatched; {when}", "held")
            return Verdict("■", "DESK ENDED", when, "waiting")
        return Verdict("✖", "DISCONNECTED", why_lost(scene.link), "lost")
    snapshot, why = frame.snapshot, f.clean(frame.snapshot.why)
    if snapshot.phase == "killing":
        return killing(snapshot)
    if snapshot.phase == "killed" and frame.card.busy:
        return Verdict("!!", "DESK FAULT", f"{fault(frame.card.busy)}; 0 open, verified", "killed")
    if snapshot.phase == "killed":
        left = cools_down(scene)
        return Verdict("!!", "KILLED", f"0 open, verified{f', reset in {f.age(left)}' if left > 0 else ''}: {why}", "killed")
    if frame.card.busy:
        return Verdict("!!", "DESK FAULT", fault(frame.card.busy), "killed")
    differs = mismatch(snapshot)
    if differs is not None:
        return differs
    danger, venue = exposed(frame), venue_verdict(snapshot)
    if danger and (venue is None or at_large(frame)):
        return Verdict("!", "EXPOSED", danger, "alarm")
    if snapshot.phase == "paused":
        why = f.clean(frame.card.unwatched) or why.removeprefix("paused").lstrip(": ")
        return Verdict("▌▌", "PAUSED", why or "quotes pulled by the operator", "paused")
    if snapshot.phase == "ending":
        return Verdict("■", "ENDING", why, "paused")
    verdict = venue or quoting_verdict(scene)
    if snapshot.phase == "alert":
        return Verdict("!", "ALERT", f"{why}, {verdict.word.lower()}", "alert")
    if venue is None and scene.storm:
        return Verdict("!", scene.storm, verdict.word.lower(), "alert")
    if venue is None and (strange := foreign(frame)):
        return Verdict("!", "EXTERNAL", f"{strange}, {verdict.word.lower()}", "alarm")
    if verdict.style == "running" and scene.deadman_s <= DEADMAN_SHOWN_S:
        return _unheard(scene)
    return verdict


def not_answered(scene: Scene) -> Verdict:
    """A kill that the desk did not answer: what is known of the desk, or what else can be done; the foot tells how it is done by hand."""
    word = "KILL NOT ANSWERED"
    todo = f.clean(scene.unanswered).removeprefix(word).lstrip(", -")
    return Verdict("!!", word, why_lost(scene.link) if scene.lost else f"{key_of('kill')} again, or {todo}", "killed")


def _unheard(scene: Scene) -> Verdict:
    """How long the desk still waits for a sign of its operator."""
    why = "nobody was heard" + f"; {key_of('ack')}: I am here" * (scene.locked or not scene.read_only)
    style = "killed" if scene.deadman_s <= DEADMAN_LOUD_S else "alert"
    return Verdict("!", f"DEAD-MAN {max(0.0, scene.deadman_s):.0f}s", why, style)


def _stale_for(rows: Sequence[MarketRow]) -> str:
    """How long the freshest of the stale markets was not heard of."""
    ages = [row.health.age_ms for row in rows if row.health.age_ms >= 0]
    return f"last data {f.age(min(ages) / 1000)} ago" if ages else ""


def quoting_verdict(scene: Scene) -> Verdict:
    """Is it quoting, and if not, the first reason."""
    if scene.frame is None:
        first = scene.link.connected or not scene.link.attempts
        return Verdict("…", "WAITING", "no picture yet", "waiting") if first else safe_verdict(scene)
    if scene.lost:
        if scene.link.ended:
            return Verdict("■", "ENDED", "what stands below is the last picture", "waiting")
        return Verdict("?", "UNKNOWN", "what stands below is the last picture", "alarm")
    snapshot = scene.frame.snapshot
    quoting_, open_ = quoting(scene)
    if scene.frame.card.busy and not scene.stopped:
        rest = len(snapshot.orders)
        doubt = f"; {rest} order{'s' * (rest != 1)} may rest" if rest else ""
        return Verdict("✖", "NOT QUOTING", f"{fault(scene.frame.card.busy)}{doubt}", "killed")
    if quoting_:
        word, wrong = f"QUOTING {quoting_} of {open_}", exposed(scene.frame)
        return Verdict("!", word, wrong, "held") if wrong else Verdict("●", word, "", "running")
    rows = [row for row in snapshot.markets if row.state not in OVER]
    why = next((plain(row.why) for row in rows if row.why), f.clean(snapshot.why))
    if scene.stopped:
        return Verdict("✖", "NOT QUOTING", "the kill switch has tripped", "killed")
    if snapshot.phase == "paused":
        return Verdict("▌▌", "PAUSED", f"{key_of('quote.toggle')} resumes", "paused")
    if rows and all(row.state == "warming" for row in rows):
        return Verdict("…", "WARMING UP", "watching before the first quote", "waiting")
    if snapshot.phase == "starting" or (rows and all(row.state in UNREADY for row in rows)):
        if lost := dark(snapshot):
            return Verdict("✖", "NO CONNECTION", lost, "held")
        return Verdict("…", "WAITING FOR DATA", f.clean(snapshot.why) or why, "waiting")
    if not rows:
        return Verdict("✔", "ALL RESOLVED" if snapshot.markets else "NO MARKET", why or "nothing left to quote", "waiting")
    if all(row.state == "stale" for row in rows):
        return Verdict("■", "STALE", f"{_stale_for(rows)}, {why.removeprefix('stale: ')}".strip(", "), "held")
    if all(row.state == "paused" for row in rows):
        return Verdict("▌▌", "PAUSED", "each market by itself", "paused")
    if all(row.state == "closing" for row in rows):
        return Verdict("»", "FLATTENING", why.removeprefix("flattening ") or "positions are being sold", "held")
    return Verdict("■", "NOT QUOTING", why or "no reason given", "held")


def safe_verdict(scene: Scene) -> Verdict:
    """Am I safe?"""
    if scene.unanswered:
        verdict = replace(not_answered(scene), glyph="✖")
        return replace(verdict, why=f"{_loose(scene.frame.snapshot)}; {verdict.why}") if scene.frame is not None else verdict
    if scene.frame is None or scene.lost:
        if scene.frame is not None and scene.link.ended:
            left = positions(scene.frame.snapshot)
            if left:
                return Verdict("■", "ENDED", f"{_many(left, 'position')} left, unwatched", "warn")
            return Verdict("■", "ENDED", "it stopped in order", "waiting")
        if scene.frame is None:
            return Verdict("?", "UNKNOWN", "no picture yet", "waiting" if scene.link.connected or not scene.link.attempts else "alarm")
        return Verdict("?", "UNKNOWN", f"{_loose(scene.frame.snapshot)}; the desk is not heard", "alarm")
    snapshot, money = scene.frame.snapshot, scene.frame.snapshot.money
    if snapshot.phase == "killing":
        return replace(killing(snapshot), glyph="✖", style="alarm")
    if scene.frame.card.busy:
        held = _stake(snapshot) if snapshot.phase == "killed" else _loose(snapshot)
        return Verdict("✖", "DESK FAULT", f"{held}; {fault(scene.frame.card.busy)}", "alarm")
    if snapshot.phase == "killed":
        return Verdict("✖", "KILLED", f"{_many(positions(snapshot), 'position')} held; {f.clean(snapshot.why)}", "alarm")
    differs = mismatch(snapshot)
    if differs is not None:
        return replace(differs, glyph="✖", why=f"{_stake(snapshot)}; {differs.why}")
    if danger := exposed(scene.frame):
        return Verdict("!", "EXPOSED", danger, "alarm")
    if snapshot.venue.mode in BARRED:
        return Verdict("!", VENUE[snapshot.venue.mode][0], f"{_stake(snapshot)}; no cancel works", "alarm")
    if snapshot.phase == "alert" or money.drawdown_pct >= money.alert_pct:
        return Verdict("!", "ALERT", f"drawdown beyond {f.percent(money.alert_pct)}", "alert")
    if strange := foreign(scene.frame):
        return Verdict("!", "EXTERNAL", strange, "alarm")
    return _calm(scene, scene.frame)


def _calm(scene: Scene, frame: Frame) -> Verdict:
    """No alarm: green only where no guard holds, nothing else is amiss, and the desk either quotes or neither holds nor rests anything."""
    snapshot = frame.snapshot
    holds, stake = positions(snapshot), _stake(snapshot)
    quotes, lost = quoting(scene)[0] > 0, gone(snapshot)
    idle = not quotes and bool(holds or snapshot.orders)
    if lost and idle:
        names, whys = (", ".join(texts) for texts in zip(*((f.clean(feed.link), plain(feed.why)) for feed in lost), strict=True))
        return Verdict("!", "CUT OFF", f"{stake}; {names} lost: {whys}", "warn")
    if frame.card.unwatched:
        return Verdict("!", "UNWATCHED", f"{stake}; {f.clean(frame.card.unwatched)}", "alert")
    if scene.deadman_s <= DEADMAN_LOUD_S:
        return _unheard(scene)
    if scene.storm:
        return Verdict("!", scene.storm, stake, "alert")
    holding = next((f.clean(row.name) for row in snapshot.risk if row.holding or passed(row)), "")
    if holding:
        return Verdict("✔", "SAFE", f"{stake}; held by: {holding}" if idle else f"held by: {holding}", "warn")
    if lost and not quotes:
        return Verdict("✔", "SAFE", f"nothing held, nothing open; {dark(snapshot)}", "warn")
    if idle:
        return Verdict("✔", "SAFE", f"{stake}; {'no new quotes' if snapshot.orders else 'nothing quoted'}", "warn")
    return Verdict("✔", "SAFE", "no guard is holding", "up")


def positions(snapshot: Snapshot) -> int:
    """How many markets that are not over it holds something in."""
    return sum(row.yes != row.no for row in snapshot.markets if row.payout_yes is None)


def _stake(snapshot: Snapshot) -> str:
    return f"{_many(positions(snapshot), 'position')}, {_many(len(snapshot.orders), 'order')} open"


def _loose(snapshot: Snapshot) -> str:
    """What a desk that is not heard may have at the venue."""
    orders, held = len(snapshot.orders), _many(positions(snapshot), "position")
    return f"{_many(orders, 'order')} may rest, {held}" if orders else held


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}" if count else f"no {what}"


def cools_down(scene: Scene) -> float:
    """Seconds until the kill switch may be reset; 0 or less: it may be, once the kill is verified."""
    return (scene.frame.snapshot.resets_at - scene.frame.snapshot.at) / 1e9 if scene.frame is not None else 0.0


def worst_case(row: MarketRow) -> Cash:
    """What the position makes if the market ends the worse way, against its cost: negative is lost. Winning shares pay a dollar."""
    if row.payout_yes is not None:
        return Cash(0)
    return Cash(min(gets(ONE, row.yes), gets(ONE, row.no)) - row.cost)
