"""What the questions say: the orders of a flatten with their worst cost, the diff of a profile, a reset, a resume, a stop."""

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.core.units import DOLLAR, ONE, Cash, Price
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.lines import Row
from pmm_tui.tui.state import OVER, SLIPPAGE_TICKS, Scene, exit_of, why_lost, worst_case

TYPED_ABOVE = Cash(250 * DOLLAR)
"""Real money beyond this is typed, not confirmed by one key."""
_SHOWN = 8


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
    made: list[Row] = [((f" 1  cancel {resting} open order{'s' if resting != 1 else ''}; quoting stays paused", ""),)]
    exits = [(row, exit_) for row in rows if (exit_ := exit_of(row)) is not None]
    cost = Cash(sum(exit_.cost for _, exit_ in exits))
    for row, exit_ in exits[:_SHOWN]:
        what = f" 2  SELL {f.shares(exit_.size)} {f.said(exit_.outcome, 12).strip()}"
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
        made.append(((" 2  nothing to sell: no net position", "dim"),))
    proceeds = Cash(sum(exit_.proceeds for _, exit_ in exits))
    made += [
        (),
        ((" worst cost against the mid  ", "head"), (f.usd(Cash(-cost)), "down" if cost > 0 else ""), ("   plus the taker fee", "dim")),
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


def go_live(scene: Scene) -> list[Row]:
    """What going from paper to the production desk starts, and what that desk itself knows against it."""
    if scene.frame is None:
        return [((f" {why_lost(scene.link)}", "down"),)]
    card, snapshot = scene.frame.card, scene.frame.snapshot
    money = snapshot.money
    open_ = [row for row in snapshot.markets if row.state not in OVER]
    wished = [quote for row in open_ for quote in row.quotes if not quote.held]
    exits = Cash(sum(worst_case(row) for row in snapshot.markets))
    rows: list[Row] = [
        ((" profile       ", "head"), (f.said(card.profile, 20), "bold"), (f"account {f.clean(card.account)[:16] or 'not named'}", "")),
        ((" equity        ", "head"), (f.usd(money.equity), "bold"), (f"   worst case of what is held {f.signed_usd(exits)}", "")),
        ((" markets       ", "head"), (f"{len(open_)} open, {len(wished)} quotes wished, {len(snapshot.orders)} orders resting", "")),
        ((" kill at       ", "head"), (f"{money.halt_pct:g}% drawdown, now {f.percent(money.drawdown_pct)}", "")),
    ]
    links = [("desk heard", not scene.lost), *((f.clean(feed.link), feed.up) for feed in snapshot.feeds)]
    seen: list[Row] = [((f" {'✔' if up else '✖'} {f.said(name, 30).rstrip()}", "up" if up else "down"),) for name, up in links[:6]]
    held = [f.clean(row.name) for row in snapshot.risk if row.holding]
    checks: Row = tuple(span for row in seen for span in row)
    rows.append(((" pre-flight    ", "head"), *checks))
    rows.append(((" held by       ", "head"), (f.said(", ".join(held) or "no guard", 56), "warn" if held else "up")))
    if scene.stopped:
        rows.append(((" its kill switch has tripped: reset it first (R)", "alarm"),))
    return rows


def how_to_start(profiles: list[tuple[str, str]]) -> list[Row]:
    """Which desk would start with real money, and by which command: its keys are proven on the command line, never here."""
    rows: list[Row] = [(("  no production desk is shown here; its keys are proven on the command line", ""),), ()]
    for name, wrong in profiles[:_SHOWN]:
        rows.append(((f"  {f.said(name, 20)}", "bold"), (f.said(wrong, 52) if wrong else "", "down")))
        if not wrong:
            rows.append(((f"    pmm-tui preflight --profile {f.clean(name)}", "ours"), ("      checks, valid for today", "dim")))
            rows.append(((f"    pmm-tui --profile {f.clean(name)} --live", "ours"), ("      asks for the wallet", "dim")))
    if not profiles:
        rows.append((("  there is no profile of mode live; prod-001 is the example to copy", "warn"),))
    return rows


def stop(scene: Scene) -> list[Row]:
    """What ending the desk does."""
    held = sum(1 for row in scene.frame.snapshot.markets if row.yes != row.no) if scene.frame is not None else 0
    orders = len(scene.frame.snapshot.orders) if scene.frame is not None else 0
    return [
        ((f" cancels {orders} open order{'s' if orders != 1 else ''}, then ends the run", ""),),
        ((f" {held} position{'s are' if held != 1 else ' is'} kept as {'they are' if held != 1 else 'it is'}", "warn" if held else "dim"),),
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
