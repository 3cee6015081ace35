"""Makes a hand-made picture agree with itself: what rests, what it binds, what is held, how old the data are, which notes were made."""

import re
from collections import Counter

from msgspec.structs import replace

from pmm_tui.core.apply import VENUE_SHUT, VENUE_WORDS
from pmm_tui.core.market import Side
from pmm_tui.core.snapshot import FillRow, Frame, KillRow, LevelRow, MarketRow, Money, NoteRow, OrderRow, QuoteRow, RiskRow, Snapshot
from pmm_tui.core.units import ONE, SHARE, Cash, Nanos, Price, Size, cents_text, pays, size_text
from pmm_tui.tui.exposed import unconfirmed
from tests.faces import pictures
from tests.faces.pictures import ETH, FED, ago, level, lots, usd

CAPPED = "position cap: "
"""How the reason of a market begins that its cap holds."""
RESTS = ("OPEN", "CANCELLING", "UNCERTAIN")
"""Orders with these may be in the book."""
UNSURE = re.compile(r"order (\d+) uncertain")


def _quoted(row: MarketRow, size: float) -> MarketRow:
    """The market with a bid and an ask of ours at the touch."""
    bid, ask = row.bids[0].price, row.asks[0].price
    return replace(row, quotes=(QuoteRow(Side.BUY, bid, lots(size), 0, ""), QuoteRow(Side.SELL, ask, lots(size), 0, "")))


def _second(live: bool) -> MarketRow:
    """The second market as it is everyday: quoted on both sides, a little short."""
    row = replace(
        pictures.second(), state="quoting", why="", mid=0.48, micro=0.4812, fair=0.4803, centre=0.4806, last=Price(4_800),
        bids=(level(47, 4_100), level(46, 6_300), level(45, 9_000), level(44, 1_250)),
        asks=(level(49, 3_200), level(50, 5_700), level(51, 8_800), level(52, 940)),
        no=lots(20 if live else 60), cost=usd(10.5 if live else 31.5), unrealised=usd(-0.1 if live else -0.3),
        trades=tuple(replace(one, price=Price(one.price - 450)) for one in pictures.market().trades),
    )  # fmt: skip
    return _quoted(row, 10 if live else 25)


def within(frame: Frame) -> Frame:
    """The same picture with every position within its cap, no wish withheld by one, and no alarm that its state has not made."""
    live, rows = frame.card.mode == "LIVE", []
    for row in frame.snapshot.markets:
        calm = replace(row, quotes=tuple(quote for quote in row.quotes if quote.held != "capital cap"))
        if row.id == ETH:
            calm = _second(live)
            if not row.why.startswith(CAPPED):
                calm = replace(calm, state=row.state, why=row.why, health=row.health, quotes=calm.quotes if row.state == "quoting" else ())
        elif row.id == FED and not live and row.quotes:
            calm = _quoted(replace(row, yes=lots(60), cost=usd(42), unrealised=usd(0.81)), 50)
        rows.append(calm)
    notes = tuple(note for note in frame.snapshot.notes if note.level != "alarm" or " differs, time " in note.text)
    return replace(frame, snapshot=replace(frame.snapshot, markets=tuple(rows), notes=notes))


def pulled(frame: Frame) -> Frame:
    """The same picture with nothing of ours in a book that is not quoting: a scene that only names a state still has it."""
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


def ours(row: MarketRow, orders: tuple[OrderRow, ...]) -> MarketRow:
    """The market with what its orders rest in its book."""
    rests: Counter[tuple[bool, int]] = Counter()
    for one in orders:
        if one.market == row.id and one.status in RESTS:
            same = one.outcome == row.outcomes[0]
            rests[(one.side == "BUY") is same, one.price if same else ONE - one.price] += one.size - one.filled

    def told(levels: tuple[LevelRow, ...], bids: bool) -> tuple[LevelRow, ...]:
        return tuple(replace(level, ours=Size(rests[bids, level.price])) for level in levels)

    return replace(row, bids=told(row.bids, True), asks=told(row.asks, False))


def _resting(snapshot: Snapshot, orders: tuple[OrderRow, ...]) -> tuple[OrderRow, ...]:
    """The orders of markets that quote and have none in the list: as many as they wish."""
    known = {one.market for one in orders}
    return tuple(
        OrderRow(4_110 + 10 * number + at, row.id, row.outcomes[0], quote.side, quote.price, quote.size, Size(0), "OPEN", ago(9), "",
                 ahead=lots(640))
        for number, row in enumerate(snapshot.markets) if row.state == "quoting" and row.id not in known
        for at, quote in enumerate(row.quotes) if not quote.held
    )  # fmt: skip


def _bound(orders: tuple[OrderRow, ...], market: str = "") -> Cash:
    """What the bids, of one market or of all, would pay."""
    return Cash(sum(pays(one.price, Size(one.size - one.filled)) for one in orders if one.side == "BUY" and market in ("", one.market)))


def _guards(snapshot: Snapshot, age_s: float) -> tuple[RiskRow, ...]:
    """The guards where the picture's own figures put them."""
    orders, rows, equity = snapshot.orders, snapshot.markets, snapshot.money.equity
    net = max((abs(row.yes - row.no) for row in rows), default=0) / SHARE
    spent = [row.cost + _bound(orders, row.id) for row in rows]
    widest, whole = 100 * max(spent, default=0) / equity, 100 * sum(spent) / equity
    held = any(quote.held == "capital cap" for row in rows for quote in row.quotes)
    now = {
        "open orders": (str(len(orders)), len(orders) / 200, False),
        "net position": (f"{net:g} sh", net / 500, net >= 500),
        "one market": (f"{widest:.1f} %", widest / 60, held),
        "all capital": (f"{whole:.1f} %", whole / 100, held),
        "data age": (f"{age_s:.1f} s", age_s / 2, age_s > 2),
    }
    return tuple(
        replace(one, now=now[one.name][0], used=now[one.name][1], holding=now[one.name][2]) if one.name in now else one
        for one in snapshot.risk
    )


def _accounted(money: Money, rows: tuple[MarketRow, ...], reserved: Cash) -> Money:
    """The account that has this equity with what is held."""
    unrealised, cost = sum(row.unrealised for row in rows), sum(row.cost for row in rows)
    realised = Cash(money.equity - money.initial - unrealised)
    cash = Cash(money.equity - unrealised - cost)
    return replace(money, unrealised=Cash(unrealised), realised=realised, cash=cash, reserved=reserved)


def honest(frame: Frame) -> Frame:
    """The same picture with no figure that another one of it contradicts."""
    snapshot = frame.snapshot
    quiet = {row.id for row in snapshot.markets if row.state in ("stale", "paused", "warming", "resolved")}
    answered = [one for one in snapshot.orders if one.status != "UNCERTAIN" or unconfirmed(one, snapshot.at)]
    orders = tuple(one for one in answered if one.market not in quiet)
    orders += _resting(snapshot, orders)
    traded, known = {one.market for one in orders}, {one.id for one in orders}
    notes = tuple(note for note in snapshot.notes if (unsure := UNSURE.match(note.text)) is None or int(unsure[1]) in known)
    rows = tuple(ours(row, orders) if row.id in traded | quiet else row for row in snapshot.markets)
    age_s = max((row.health.age_ms for row in rows if row.state == "stale"), default=100) / 1_000
    feeds = tuple(
        replace(one, up=False, since=ago(age_s), why=f"no data for {age_s:.1f} s, reconnecting") if one.link == "market" else one
        for one in snapshot.feeds
    )
    fills = tuple(replace(one, ahead=Size(-1), answered_ms=-1.0) if one.foreign else one for one in snapshot.fills)
    money = _accounted(snapshot.money, rows, _bound(orders))
    changed = replace(
        snapshot, orders=orders, markets=rows, feeds=feeds if age_s > 2 else snapshot.feeds, money=money, fills=fills, notes=notes
    )
    changed = _stopped(changed) if snapshot.phase in ("killing", "killed") else changed
    return replace(frame, snapshot=_noted(replace(changed, risk=_guards(changed, age_s)), frame.card.unwatched))


def _noted(snapshot: Snapshot, unwatched: str) -> Snapshot:
    """With the notes that a desk makes of its kill, its pause, its venue's mode, a connection that is lost, and what others did."""
    still = snapshot.phase in ("killing", "killed", "paused")
    began = next((row.at for row in snapshot.kill if row.at), snapshot.at)
    over = ("KILL: ", "kill verified", "requote") if still else ()
    made = [note for note in snapshot.notes if not note.text.startswith((*over, *["fill"] * (note.at > began)))]
    for step, loud, text in (
        ("stop quoting", "alarm", f"KILL: {snapshot.why}"),
        ("verify", "info", "kill verified: the venue's account holds no open order"),
    ):
        made += [NoteRow(row.at, loud, text) for row in snapshot.kill if row.step == step and row.at]
    for feed in snapshot.feeds:
        if not feed.up and not any(note.text.startswith(feed.link) for note in made):
            made.append(NoteRow(feed.since, "warn", f"{feed.link} lost: {VENUE_WORDS.get(feed.why, feed.why)}"))
    if (mode := snapshot.venue.mode) != "open":
        loud = "alarm" if mode in VENUE_SHUT else "warn"
        made.append(NoteRow(snapshot.venue.since, loud, f"the venue is {VENUE_WORDS.get(mode, mode)}"))
    if snapshot.phase == "paused":
        actor = "operator watch" if unwatched else snapshot.why.removeprefix("paused by ")
        made.append(NoteRow(ago(14), "warn", f"{actor} paused the desk" + (f": {unwatched}" if unwatched else "")))
    made += _external(snapshot)
    return replace(snapshot, notes=tuple(sorted(made, key=lambda note: -note.at)))


def _external(snapshot: Snapshot) -> list[NoteRow]:
    """What a desk notes of orders and fills that are not its own."""
    slugs = {row.id: row.slug for row in snapshot.markets}

    def what(one: OrderRow | FillRow) -> str:
        return f"{one.side.value} {size_text(one.size)} {one.outcome} @ {cents_text(one.price)}"

    found = [
        NoteRow(one.sent_at, "alarm", f"EXTERNAL order in {slugs[one.market]}: {what(one)}, {one.why}")
        for one in snapshot.orders if one.status == "EXTERNAL"
    ]  # fmt: skip
    return found + [NoteRow(one.at, "alarm", f"EXTERNAL {what(one)}: not this desk's") for one in snapshot.fills if one.foreign]


def _stopped(snapshot: Snapshot) -> Snapshot:
    """A kill in the steps that a desk tells of, with the drawdown that led to it."""
    began = next(step.at for step in snapshot.kill if step.at)
    proven = Nanos(began + 600_000_000) if snapshot.phase == "killed" else Nanos(0)
    left, held = len(snapshot.orders), any(row.yes or row.no for row in snapshot.markets)
    steps = (
        KillRow("stop quoting", began, "admission closed"),
        KillRow("cancel all", proven, "none left in our books" if proven else f"{left} not yet gone"),
        KillRow("verify", proven, "account holds no order" if proven else "not yet, asked 2 times"),
        KillRow("flatten", Nanos(0), "kept until flattened" if held else "nothing is held"),
    )
    filled = tuple(one for one in snapshot.fills if one.at <= began)
    lost, stopped = pictures.killed().snapshot.money, replace(snapshot, kill=steps, fills=filled)
    if not snapshot.why.startswith("drawdown"):
        return stopped
    if snapshot.money.initial != lost.initial:
        why = "kill switch by console:pts/3"
        rows = tuple(replace(row, why=why) if row.why == snapshot.why else row for row in snapshot.markets)
        return replace(stopped, why=why, markets=rows)
    return replace(stopped, money=_accounted(lost, snapshot.markets, snapshot.money.reserved))
