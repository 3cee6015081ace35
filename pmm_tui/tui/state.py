"""What the console concludes from a picture: the one word for the desk and why, what a flatten would send, what the worst end costs."""

import math

from msgspec import Struct

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame, MarketRow
from pmm_tui.core.units import ONE, Cash, Nanos, Price, Size, gets
from pmm_tui.tui import format as f

SILENT_S = 3.0
"""A desk sends ten pictures a second: after this it counts as lost, connected or not."""
SLIPPAGE_TICKS = 2
"""The desk's own default for a flatten."""
OVER = ("closed", "resolved")
UNREADY = ("waiting", "warming")


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

    @property
    def market(self) -> MarketRow | None:
        """The selected market; None where there is none."""
        markets = self.frame.snapshot.markets if self.frame is not None else ()
        return markets[self.selected] if 0 <= self.selected < len(markets) else None

    @property
    def lost(self) -> bool:
        """Whether what is shown may no longer be so."""
        return not self.link.connected or self.link.age_s > SILENT_S

    @property
    def live(self) -> bool:
        """Whether real money is at stake."""
        return self.frame is not None and self.frame.card.mode == "LIVE" and self.frame.card.source != "loopback"

    @property
    def rehearsing(self) -> bool:
        """The production desk on an exchange of this machine: real orders, no money."""
        return self.frame is not None and self.frame.card.mode == "LIVE" and self.frame.card.source == "loopback"

    @property
    def stopped(self) -> bool:
        """Whether the kill switch has tripped."""
        return self.frame is not None and self.frame.snapshot.phase in ("killing", "killed")


class Verdict(Struct, frozen=True):
    """An answer in one second: a glyph, a word or two, the reason, and how it is painted."""

    glyph: str
    word: str
    why: str
    style: str


def why_lost(link: Link) -> str:
    """How long ago the last picture came, and what is being done."""
    when = f"last picture {f.age(link.age_s)} ago" if math.isfinite(link.age_s) else "no picture yet"
    if link.connected:
        return f"{when}, the desk is silent"
    return f"{when}, try {link.attempts + 1}: {f.clean(link.why)}"


def quoting(scene: Scene) -> tuple[int, int]:
    """How many markets are quoting, of how many that are not over."""
    markets = scene.frame.snapshot.markets if scene.frame is not None else ()
    open_ = [row for row in markets if row.state not in OVER]
    return sum(row.state == "quoting" for row in open_), len(open_)


def desk_verdict(scene: Scene) -> Verdict:
    """The banner's word: the worst thing that is true comes first."""
    frame = scene.frame
    if frame is None:
        if scene.link.connected:
            return Verdict("…", "WAITING FOR THE DESK", "connected, no picture yet", "waiting")
        return Verdict("✖", "DISCONNECTED", why_lost(scene.link), "lost")
    if scene.lost:
        if scene.link.ended:
            return Verdict("■", "DESK ENDED", f"the last picture is {f.age(scene.link.age_s)} old; q leaves", "waiting")
        return Verdict("✖", "DISCONNECTED", why_lost(scene.link), "lost")
    snapshot, why = frame.snapshot, f.clean(frame.snapshot.why)
    busy = f.clean(frame.card.busy)
    if snapshot.phase == "killing":
        return Verdict("!!", "KILLING", f"CANCEL NOT CONFIRMED  {why}", "killed")
    if snapshot.phase == "killed":
        return Verdict("!!", "KILLED", why, "killed")
    if busy:
        return Verdict("!!", "DESK FAULT", busy, "killed")
    if snapshot.phase == "paused":
        return Verdict("▌▌", "PAUSED", why or "quotes pulled by the operator", "paused")
    if snapshot.phase == "ending":
        return Verdict("■", "ENDING", why, "paused")
    verdict = quoting_verdict(scene)
    if snapshot.phase == "alert":
        return Verdict("!", "ALERT", f"{why}, {verdict.word.lower()}", "alert")
    return verdict


def quoting_verdict(scene: Scene) -> Verdict:
    """Is it quoting, and if not, the first reason."""
    if scene.frame is None:
        return Verdict("…", "WAITING", "no picture yet", "waiting")
    if scene.lost:
        if scene.link.ended:
            return Verdict("■", "ENDED", "what stands below is the last picture", "waiting")
        return Verdict("?", "UNKNOWN", "what stands below is the last picture", "alarm")
    snapshot = scene.frame.snapshot
    quoting_, open_ = quoting(scene)
    if quoting_:
        return Verdict("●", f"QUOTING {quoting_} of {open_}", "", "running")
    rows = [row for row in snapshot.markets if row.state not in OVER]
    why = next((f.clean(row.why) for row in rows if row.why), f.clean(snapshot.why))
    if scene.stopped:
        return Verdict("✖", "NOT QUOTING", "the kill switch has tripped", "killed")
    if snapshot.phase == "paused":
        return Verdict("▌▌", "PAUSED", "space resumes", "paused")
    if snapshot.phase == "starting" or (rows and all(row.state in UNREADY for row in rows)):
        return Verdict("…", "WAITING FOR DATA", f.clean(snapshot.why) or why, "waiting")
    if not rows:
        return Verdict("✔", "ALL RESOLVED" if snapshot.markets else "NO MARKET", why or "nothing left to quote", "waiting")
    word = "STALE" if all(row.state == "stale" for row in rows) else "NOT QUOTING"
    return Verdict("■", word, why or "no reason given", "held")


def safe_verdict(scene: Scene) -> Verdict:
    """Am I safe?"""
    if scene.frame is None or scene.lost:
        if scene.frame is not None and scene.link.ended:
            return Verdict("■", "ENDED", "the desk stopped in order", "waiting")
        return Verdict("?", "UNKNOWN", "the desk is not heard" if scene.frame else "no picture yet", "alarm")
    snapshot, money = scene.frame.snapshot, scene.frame.snapshot.money
    if snapshot.phase == "killing":
        return Verdict("✖", "KILLING", "cancel not confirmed", "alarm")
    if snapshot.phase == "killed":
        return Verdict("✖", "KILLED", "no open orders, verified", "alarm")
    if scene.frame.card.busy:
        return Verdict("✖", "DESK FAULT", f.clean(scene.frame.card.busy), "alarm")
    if snapshot.phase == "alert" or money.drawdown_pct >= money.alert_pct:
        return Verdict("!", "ALERT", f"drawdown beyond {f.percent(money.alert_pct)}", "alarm")
    holding = next((f.clean(row.name) for row in snapshot.risk if row.holding), "")
    if holding:
        return Verdict("✔", "SAFE", f"held by: {holding}", "warn")
    return Verdict("✔", "SAFE", "no guard is holding", "up")


def worst_case(row: MarketRow) -> Cash:
    """What the position makes if the market ends the worse way, against its cost: negative is lost. Winning shares pay a dollar."""
    if row.payout_yes is not None:
        return Cash(0)
    return Cash(min(gets(ONE, row.yes), gets(ONE, row.no)) - row.cost)


class Exit(Struct, frozen=True):
    """What a flatten would send for one market: sell the net position at `worst` or better, in the outcome's own terms."""

    market: str
    outcome: str
    size: Size
    worst: Price
    """0 where there is no bid to sell into."""
    proceeds: Cash
    """At the worst price."""
    cost: Cash
    """Against the mid; 0 where there is no mid."""
    covered: Size
    """What the book shows at the worst price or better."""


def exit_of(row: MarketRow, slippage_ticks: int = SLIPPAGE_TICKS) -> Exit | None:
    """The order that closes a market's net position; None where it is flat or over. Pairs of YES and NO are kept: they pay a dollar."""
    net = row.yes - row.no
    if not net or row.state in OVER:
        return None
    levels = row.bids if net > 0 else row.asks
    touch = [(level.price if net > 0 else Price(ONE - level.price), Size(level.size)) for level in levels if level.size]
    best = touch[0][0] if touch else Price(0)
    worst = Price(max(row.tick, best - slippage_ticks * row.tick)) if best else Price(0)
    size = Size(abs(net))
    proceeds = gets(worst, size)
    mid = row.mid if net > 0 else 1 - row.mid
    fair = gets(round(mid * ONE), size) if math.isfinite(mid) else proceeds
    covered = Size(min(size, sum(size for price, size in touch if price >= worst)))
    return Exit(row.id, row.outcomes[0 if net > 0 else 1], size, worst, proceeds, Cash(fair - proceeds), covered)
