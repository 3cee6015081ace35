"""What the questions say: the orders of a flatten with their worst cost, the diff of a profile, a reset, a resume, a stop."""

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.core.units import DOLLAR, ONE, Cash, Price, pays
from pmm_tui.tui import format as f
from pmm_tui.tui.closing import SLIPPAGE_TICKS, exit_of
from pmm_tui.tui.elsewhere import PreflightLine
from pmm_tui.tui.rows.lines import Row, Span
from pmm_tui.tui.state import OVER, Scene, why_lost, worst_case

TYPED_ABOVE = Cash(250 * DOLLAR)
"""Real money beyond this is typed, not confirmed by one key."""
_SHOWN = 8
_WIDE = 60
"""Cells of a line beside its heading."""


def mode(scene: Scene) -> str:
    """The word of the desk's mode, for phrases and titles."""
    if scene.rehearsing or scene.replayed:
        return "REHEARSAL" if scene.rehearsing else "REPLAY"
    return f.said(scene.frame.card.mode, 5).strip() if scene.frame is not None else "?"


def title(scene: Scene, what: str) -> str:
    """Every dialog names its desk."""
    return f"LIVE $$$ REAL MONEY: {what}" if scene.live else f"{mode(scene)}: {what}"


def flatten(scene: Scene, rows: tuple[MarketRow, ...]) -> tuple[list[Row], Cash]:
    """The exact orders a flatten would send and what they cost at worst; and the proceeds at the worst price, all together."""
    snapshot = scene.frame.snapshot if scene.frame is not None else None
    ids = {row.id for row in rows}
    resting = sum(1 for order in snapshot.orders if order.market in ids) if snapshot is not None else 0
    cancel = f"cancel {resting} open order{'s' if resting != 1 else ''}" if resting else "nothing to cancel"
    made: list[Row] = [((f" 1  {cancel}; quoting stays paused", ""),)]
    for row in [row for row in rows if row.merges][:_SHOWN]:
        pairs = f.shares(row.merges)
        made.append(((f" 2  merge {pairs} {f.said(row.outcomes[0], 8).strip()} with {pairs} {f.said(row.outcomes[1], 8).strip()}", "bold"),
                     (f"  into {f.usd(Cash(row.merges))}, less the gas that the chain takes", "")))  # fmt: skip
    last = 3 if any(row.merges for row in rows) else 2
    exits = [(row, exit_) for row in rows if (exit_ := exit_of(row)) is not None]
    cost = Cash(sum(exit_.cost for _, exit_ in exits))
    for row, exit_ in exits[:_SHOWN]:
        what = f" {last}  SELL {f.shares(exit_.size)} {f.said(exit_.outcome, 12).strip()}"
        made.append(((what, "bold"), (f"  {f.middle(row.question, 48).strip()}", "dim")))
        if not exit_.worst:
            made.append((("      nobody bids: nothing can be sold now", "alarm"),))
            continue
        covered = "" if exit_.covered >= exit_.size else f", the book takes only {f.shares(exit_.covered)} there"
        made.append(
            (
                (f"      now: at {f.cents(exit_.worst, row.tick)}¢ or better, {SLIPPAGE_TICKS} ticks beyond the touch", ""),
                (covered, "warn"),
            )
        )
        rest = touch_of(row)
        if rest:
            made.append(((f"      or resting at the touch, {f.cents(rest, row.tick)}¢, for as long as it takes", ""),))
    if len(exits) > _SHOWN:
        made.append(((f"    and {len(exits) - _SHOWN} more markets", "warn"),))
    if not exits:
        where = f" in {f.middle(rows[0].question, 33).strip()}" if len(rows) == 1 else ""
        made.append(((f" {last}  nothing to sell: no net position{where}", "dim"),))
        made += [(), ((" so either answer leaves it at the steps above", ""),)]
        return made, Cash(0)
    proceeds, fee = Cash(sum(exit_.proceeds for _, exit_ in exits)), Cash(sum(row.exit_fee for row, _ in exits))
    made += [
        (),
        (
            (" worst cost against the mid  ", "head"),
            (f.usd(Cash(-cost)), "minus" if cost > 0 else ""),
            (f"   and a fee of {f.usd(fee)}", "dim"),
        ),
        ((" proceeds at the worst price ", "head"), (f.usd(proceeds), "bold")),
    ]
    return made, proceeds


def touch_of(row: MarketRow) -> Price:
    """The price at which an order that closes the position would rest, in the terms of the outcome sold; 0 where that side is empty."""
    levels = row.asks if row.yes > row.no else row.bids
    best = next((level.price for level in levels if level.size), None)
    if best is None:
        return Price(0)
    return best if row.yes > row.no else Price(ONE - best)


def reset(scene: Scene) -> list[Row]:
    """What a reset reopens."""
    if scene.frame is None:
        return []
    snapshot = scene.frame.snapshot
    worst = Cash(sum(worst_case(row) for row in snapshot.markets))
    return [
        ((" tripped by   ", "head"), (f.said(snapshot.why, 56).rstrip(), "down")),
        ((" equity       ", "head"), (f.usd(snapshot.money.equity), "bold"), (f"   drawdown {f.percent(snapshot.money.drawdown_pct)}", "")),
        ((" open orders  ", "head"), (f"{len(snapshot.orders)}   worst case of what is held {f.signed_usd(worst)}", "")),
        ((" after it     ", "head"), ("the drawdown counts from the equity of that moment", "")),
    ]


def resume(scene: Scene) -> list[Row]:
    """What a resume on the production desk starts again."""
    if scene.frame is None:
        return []
    money = scene.frame.snapshot.money
    account = f.said(scene.frame.card.account, 20).rstrip() or "not named"
    return [
        ((" quotes go out again with real money", "bold"),),
        ((" account  ", "head"), (account, ""), (f"   equity {f.usd(money.equity)}", "")),
        ((" kill at  ", "head"), (f"{money.halt_pct:g}% drawdown, now {f.percent(money.drawdown_pct)}", "")),
    ]


def go_live(scene: Scene, preflight: PreflightLine | None = None) -> list[Row]:
    """What going from paper to the production desk starts, its last preflight, and what that desk itself knows against it."""
    if scene.frame is None:
        return [((f" {why_lost(scene.link)}", "down"),)]
    card, snapshot = scene.frame.card, scene.frame.snapshot
    money, limits = snapshot.money, {row.name: f.clean(row.limit) for row in snapshot.risk}
    open_ = [row for row in snapshot.markets if row.state not in OVER]
    exits = Cash(sum(worst_case(row) for row in snapshot.markets))
    most = f"   at most {limits.get('net position', f.NONE)} a market, {limits.get('all capital', f.NONE)} of the equity"
    links = [("desk heard", not scene.lost), *((f.clean(feed.link), feed.up) for feed in snapshot.feeds)]
    seen: list[Span] = [(f" {'✔' if up else '✖'} {f.said(name, 30).rstrip()}", "up" if up else "down") for name, up in links[:6]]
    held = [f.clean(row.name) for row in snapshot.risk if row.holding]
    rows: list[Row] = [
        ((" profile       ", "head"), (f.said(card.profile, 20), "bold"), (f"account {f.clean(card.account)[:16] or 'not named'}", "")),
        ((" balance       ", "head"), (f.usd(money.cash), "bold"), (f"   equity {f.usd(money.equity)}, worst {f.signed_usd(exits)}", "")),
        ((" markets       ", "head"), (f"{len(open_)} open", ""), (most, "")),
        ((" first quotes  ", "head"), (first_quotes(scene), "")),
        (
            (" kill at       ", "head"),
            (f"{money.halt_pct:g}% drawdown, now {f.percent(money.drawdown_pct)}   stale feed {limits.get('data age', f.NONE)}", ""),
        ),
        *_preflight(scene, preflight),
        ((" desk now      ", "head"), *seen),
        ((" held by       ", "head"), (f.said(", ".join(held) or "no guard", 56), "warn" if held else "up")),
    ]
    if scene.stopped:
        rows.append(((" its kill switch has tripped: reset it first (R)", "alarm"),))
    return rows


def first_quotes(scene: Scene) -> str:
    """How many orders a resume sends first, and what they come to at most; the quotes that only a pause holds are among them."""
    markets = scene.frame.snapshot.markets if scene.frame is not None else ()
    wished = [quote for row in markets if row.state not in OVER for quote in row.quotes]
    quotes = [quote for quote in wished if not quote.held or quote.held.startswith("paused")]
    if not quotes:
        return "not known: it wishes none now"
    notional = sum(pays(quote.price if quote.side == "BUY" else Price(ONE - quote.price), quote.size) for quote in quotes)
    return f"{len(quotes)} orders, notional ≤ {f.usd(Cash(notional))}"


def _preflight(scene: Scene, line: PreflightLine | None) -> list[Row]:
    """When it was, whether it counts, each check; those that failed with why."""
    head: Span = (" pre-flight    ", "head")
    name = f.clean(scene.frame.card.profile)[:30] if scene.frame is not None else ""
    if line is None:
        if scene.rehearsing:
            return [(head, ("not needed: no money here", "dim"))]
        return [(head, ("none today: run ", "alarm"), (f"pmm-tui preflight --profile {name}", "ours"))]
    passed = [f.clean(check)[:24] for check, ok, _ in line.checks if ok]
    failed = [(f.clean(check)[:24], f.clean(why)) for check, ok, why in line.checks if not ok]
    count: Span = (f"{f.day(line.at)} {f.clock(line.at)}{f.zone()}, {len(passed)} of {len(line.checks)} passed", "" if failed else "up")
    rows: list[Row] = [(head, count)]
    under: Span = ("               ", "")
    lines = [""]
    for check in passed:
        lines += [""] if len(lines[-1]) + len(check) + 4 > _WIDE else []
        lines[-1] += f"✔ {check}  "
    rows += [(under, (text, "up")) for text in lines if text]
    rows += [(under, (f.fit(f"✖ {check}: {why}", _WIDE), "down")) for check, why in failed[:3]]
    if line.against:
        rows += [(under, (f"! {f.clean(line.against)}; run", "alarm")), (under, (f"  pmm-tui preflight --profile {name}", "ours"))]
    return rows


def how_to_start(profiles: list[tuple[str, str]]) -> list[Row]:
    """Which desk would start with real money, and by which command: its keys are proven on the command line, never here."""
    rows: list[Row] = [(("  no production desk is shown here: its keys are proven in a shell", ""),), ()]
    for name, wrong in profiles[:_SHOWN]:
        rows.append(((f"  {f.said(name, 20)}", "bold"), (f.said(wrong, 52) if wrong else "", "down")))
        if not wrong:
            check, start = f"pmm-tui preflight --profile {f.clean(name)}", f"pmm-tui --profile {f.clean(name)} --live"
            rows.append(((f"    {check}", "ours"), ("   checks, valid for today", "dim")))
            rows.append(((f"    {start.ljust(len(check))}", "ours"), ("   asks for the wallet", "dim")))
    if not profiles:
        rows.append((("  there is no profile of mode live; prod-001 is the example to copy", "warn"),))
    return rows


def stop(scene: Scene) -> list[Row]:
    """What ending the desk does."""
    held = sum(1 for row in scene.frame.snapshot.markets if row.yes != row.no) if scene.frame is not None else 0
    orders = len(scene.frame.snapshot.orders) if scene.frame is not None else 0
    kept = f"{held} position{'s are kept as they are' if held != 1 else ' is kept as it is'}" if held else "nothing is held"
    return [
        ((f" cancels {orders or 'no'} open order{'s' if orders != 1 else ''}, then ends the run", ""),),
        ((f" {kept}", "warn" if held else "dim"),),
    ]


def leaving(scene: Scene) -> list[Row]:
    """What is left behind with a desk of real money."""
    if scene.frame is None:
        return []
    snapshot = scene.frame.snapshot
    worst = Cash(sum(worst_case(row) for row in snapshot.markets))
    return [
        ((" run          ", "head"), (f.said(scene.frame.card.run, 56).rstrip(), "bold")),
        ((" open orders  ", "head"), (f"{len(snapshot.orders)}   worst case of what is held {f.signed_usd(worst)}", "")),
        ((" back to it   ", "head"), (f"pmm-tui attach {f.said(scene.frame.card.run, 44).rstrip()}", "ours")),
    ]
