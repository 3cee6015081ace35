"""Hand-made scenes for what two desks, a venue in trouble and a console's own modes look like."""

import math
from collections.abc import Callable

from msgspec.structs import replace

from pmm_tui.api.protocol import Link
from pmm_tui.core.market import Side
from pmm_tui.core.snapshot import FeedRow, Frame, LevelRow, NoteRow, OrderRow, QuoteRow, VenueRow
from pmm_tui.core.units import Nanos, Price, Size
from pmm_tui.tui.state import Scene
from pmm_tui.tui.traces import Traces
from tests.faces import pictures
from tests.faces.fake_desk import LOST, NEVER, UP
from tests.faces.pictures import BTC, NOW, ago, lots, usd

NEW = Link(False, math.inf)
SILENT = Link(True, math.inf)


def _mine(levels: tuple[LevelRow, ...], at: int, size: float) -> tuple[LevelRow, ...]:
    return tuple(replace(one, ours=lots(size) if one.price == at else Size(0)) for one in levels)


def production() -> Frame:
    """The production desk beside a paper one: the same markets, smaller, one level, its own queue, fewer fills, one loss more."""
    first, second, third = pictures.three().snapshot.markets
    first = replace(
        first, bids=_mine(first.bids, 5_200, 10), asks=_mine(first.asks, 5_400, 10), fair=0.5244, centre=0.5241, half_spread=0.0095,
        yes=lots(35), no=lots(0), cost=usd(18.2), realised=usd(1.22), unrealised=usd(0.18), fills=41,
        quotes=(QuoteRow(Side.BUY, Price(5_200), lots(10), 0, ""), QuoteRow(Side.SELL, Price(5_400), lots(10), 0, ""),
                QuoteRow(Side.SELL, Price(5_300), lots(10), 0, "capital cap")),
    )  # fmt: skip
    third = replace(third, state="paused", why="paused by the operator", quotes=(), yes=lots(20), cost=usd(14.0), unrealised=usd(0.27))
    orders = (
        OrderRow(901, BTC, "Up", Side.BUY, Price(5_200), lots(10), Size(0), "OPEN", ago(4.1), "", "0x3fa1c29d", lots(2_430)),
        OrderRow(902, BTC, "Down", Side.BUY, Price(4_600), lots(10), lots(2.5), "OPEN", ago(31), "", "0x77c00412", lots(640)),
    )
    fills = tuple(
        replace(one, at=Nanos(one.at - 1_300_000_000), size=lots(10), edge=round(one.edge / 3), order=one.order - 3_000, answered_ms=212.0)
        for number, one in enumerate(pictures.fills()) if number != 2
    )  # fmt: skip
    money = replace(
        pictures.money(), initial=usd(200), cash=usd(180.3), reserved=usd(9.8), equity=usd(201.4), realised=usd(1.22), unrealised=usd(0.18),
        fees=usd(0.04), captured=usd(2.9), adverse=usd(0), peak=usd(203.0), drawdown=usd(1.6), drawdown_pct=0.8, max_drawdown=usd(4.4),
        alert_pct=12.0, halt_pct=20.0, drift=usd(-1.46), halts_at=usd(162.4),
    )  # fmt: skip
    notes = (
        NoteRow(ago(2.9), "info", "fill BUY 10 Up @ 51.0"),
        NoteRow(ago(31), "info", "btc-updown-15m-1795269600: 5 pairs merged into $5.00"),
        NoteRow(ago(640), "info", "the account opens with $200.00"),
    )
    feeds = tuple(FeedRow(name, True, ago(11_400), "") for name in ("account", "heartbeat", "market", "rest", "user", "venue"))
    curve = tuple((at, usd(200 + (value / 1e6 - 500) * 1.4 / 12.4)) for at, value in pictures.curve())
    snapshot = replace(
        pictures.snapshot(), money=money, markets=(first, second, third), orders=orders, fills=fills, feeds=feeds, notes=notes,
        equity_curve=curve, fill_count=41, orders_sent=288, rejects={"post_only": 1},
    )  # fmt: skip
    return Frame(replace(pictures.live().card, engine_p99_us=91.0), snapshot)


def broken() -> Frame:
    """A desk whose disk was full: it halted itself, and was killed by that."""
    frame, latched, full = pictures.quoting(), pictures.killed().snapshot, "[Errno 28] No space left on device"
    why = f"records cannot be written: {full}"
    rows = tuple(
        replace(row, state="killed", why=why, quotes=(), bids=_mine(row.bids, 0, 0), asks=_mine(row.asks, 0, 0))
        for row in frame.snapshot.markets
    )
    notes = (latched.notes[0], replace(latched.notes[1], text=f"KILL: {why}"), *latched.notes[2:])
    stopped = replace(frame.snapshot, phase="killed", why=why, kill=latched.kill, markets=rows, orders=(), notes=notes)
    card = replace(frame.card, busy=f"records cannot be written, trading is halted: {full}")
    return Frame(card, replace(stopped, money=replace(stopped.money, reserved=usd(0))))


def killed() -> Frame:
    """The production desk after its kill switch tripped: nothing rests, nothing is wished."""
    frame, latched = production(), pictures.killed().snapshot
    rows = tuple(
        replace(row, state="killed", why=latched.why, quotes=(), bids=_mine(row.bids, 0, 0), asks=_mine(row.asks, 0, 0))
        for row in frame.snapshot.markets
    )
    changed = replace(frame.snapshot, phase="killed", why=latched.why, kill=latched.kill, markets=rows, orders=())
    return replace(frame, snapshot=changed)


def traces(frame: Frame | None) -> Traces:
    """Five minutes of a mid in waves, with what rests now resting all the time, and the position built up on the way."""
    made = Traces()
    for step in range(300 if frame is not None else 0):
        assert frame is not None
        wave = 0.008 * math.sin(step / 19) + 0.003 * math.sin(step / 3)
        rows = tuple(replace(row, mid=row.mid + wave, yes=Size(row.yes * min(1, step // 60) // 1)) for row in frame.snapshot.markets)
        at = Nanos(NOW - (300 - step) * 1_000_000_000)
        made.apply(replace(frame, snapshot=replace(frame.snapshot, at=at, markets=rows)), at)
    return made


def scene(frame: Frame | None, link: Link = UP, selected: int = 0) -> Scene:
    """One desk at the tests' moment."""
    return Scene(frame, link, selected, NOW, traces=traces(frame))


def modes(paper: Frame | None, live: Frame | None) -> dict[str, Scene]:
    """What a screen is shown with: paper alone, production alone, both with the keys at paper."""
    one, other = scene(paper), scene(live)
    return {"paper": one, "live": other, "both": replace(one, beside=other)}


def venue(why: str) -> Frame:
    """The production desk while its venue takes no orders."""
    frame = production()
    rows = tuple(replace(row, state="held", why=f"venue feed lost: {why}") for row in frame.snapshot.markets)
    feeds = (*frame.snapshot.feeds[:-1], FeedRow("venue", False, ago(42), why))
    mode = VenueRow(why, ago(42), Nanos(NOW + 8_000_000_000) if why != "key refused" else ago(42))
    return replace(frame, snapshot=replace(frame.snapshot, markets=rows, feeds=feeds, orders=(), venue=mode))


def mismatch(name: str) -> Frame:
    """The chain, or the venue's account, does not have what our books have."""
    frame = production()
    why = "the wallet on chain does not match our books" if name == "wallet check" else "the venue's account does not match ours"
    rows = tuple(replace(row, state="held", why=why) for row in frame.snapshot.markets)
    missed = {"name": name, "now": "2 missed", "holding": True, "used": 1.0}
    risk = tuple(replace(one, **missed) if one.name == "wallet check" else one for one in frame.snapshot.risk)
    whose = "wallet on chain" if name == "wallet check" else "venue's account"
    told = (
        NoteRow(ago(12 * (3 - time)), level, f"{whose} differs, time {time} in a row: cash by -3.5")
        for time, level in ((2, "alarm"), (1, "warn"))
    )
    notes = tuple(sorted((*told, *frame.snapshot.notes), key=lambda note: -note.at))
    return replace(frame, snapshot=replace(frame.snapshot, markets=rows, risk=risk, notes=notes))


def every(state: str, why: str) -> Frame:
    """All markets in one state; only one that is stale has an old book."""
    frame = pictures.three()
    stale = state == "stale"
    age = replace(frame.snapshot.markets[0].health, age_ms=12_300 if stale else 140, stale=stale)
    rows = tuple(replace(row, state=state, why=why, health=age) for row in frame.snapshot.markets)
    return replace(frame, snapshot=replace(frame.snapshot, markets=rows))


def unconfirmed() -> Frame:
    """A kill whose cancels the venue has not confirmed for long."""
    frame = pictures.killing()
    steps = tuple(replace(step, at=Nanos(step.at - 8_000_000_000) if step.at else step.at) for step in frame.snapshot.kill)
    return replace(frame, snapshot=replace(frame.snapshot, kill=steps))


def post_only() -> Frame:
    """The venue takes post-only orders alone, and said so when it refused another."""
    frame = production()
    note = NoteRow(ago(5), "warn", "order 903 SELL 10 Up @ 52.0 refused: the venue takes post-only orders only")
    mode = VenueRow("post_only", ago(5), Nanos(NOW + 79_000_000_000))
    return replace(frame, snapshot=replace(frame.snapshot, notes=(note, *frame.snapshot.notes), venue=mode))


def replayed() -> Frame:
    """A finished run, played again."""
    frame = pictures.quoting()
    return replace(frame, card=replace(frame.card, source="replay", speed="10", tape_position=0.37))


def in_tape() -> Frame:
    """A desk on a recording."""
    frame = pictures.quoting()
    return replace(frame, card=replace(frame.card, source="tape", speed="1", tape_position=0.37))


def unwatched() -> Frame:
    """Nobody gave a sign of life: the desk paused by itself."""
    frame = production()
    why = "paused: no sign of the operator for 900 s"
    rows = tuple(replace(row, state="paused", why=why) for row in frame.snapshot.markets)
    card = replace(frame.card, deadman_s=0.0, unwatched="no sign of the operator for 900 s")
    changed = replace(frame.snapshot, phase="paused", why=why, markets=rows, orders=())
    return replace(frame, card=card, snapshot=changed)


STATES: dict[str, Callable[[], Scene]] = {
    "connecting": lambda: scene(None, NEW),
    "no desk yet": lambda: scene(None, NEVER),
    "no picture yet": lambda: scene(None, SILENT),
    "waiting for data": lambda: scene(pictures.waiting()),
    "warming up": lambda: scene(every("warming", "warming up")),
    "quoting": lambda: scene(pictures.three()),
    "held": lambda: scene(pictures.held()),
    "stale": lambda: scene(every("stale", "stale: no data for over 10 s")),
    "paused": lambda: scene(pictures.paused()),
    "markets paused": lambda: scene(every("paused", "paused by the operator")),
    "flattening": lambda: scene(every("closing", "flattening at the operator's word")),
    "alert": lambda: scene(pictures.alert()),
    "killing": lambda: scene(pictures.killing()),
    "cancel not confirmed": lambda: scene(unconfirmed()),
    "killed": lambda: scene(pictures.killed()),
    "venue restarting": lambda: scene(venue("restarting")),
    "venue cancel-only": lambda: scene(venue("cancel_only")),
    "venue closed": lambda: scene(venue("disabled")),
    "rate-limited": lambda: scene(venue("limited")),
    "key refused": lambda: scene(venue("key refused")),
    "venue post-only": lambda: scene(post_only()),
    "wallet mismatch": lambda: scene(mismatch("wallet check")),
    "account mismatch": lambda: scene(mismatch("account check")),
    "desk fault": lambda: scene(broken()),
    "disconnected": lambda: scene(pictures.quoting(), LOST),
    "replaying": lambda: scene(replayed()),
    "display frozen": lambda: replace(scene(pictures.quoting()), frozen=True),
    "resolved": lambda: scene(pictures.resolved()),
    "read-only": lambda: replace(scene(pictures.quoting()), read_only=True),
    "unwatched": lambda: scene(unwatched()),
    "dead-man": lambda: replace(scene(production()), deadman_s=12.4),
}
"""Every state that must have a face."""
