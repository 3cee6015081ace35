"""What the questions say: the orders of a flatten with their worst cost, the diff of a profile, a reset, a resume, a stop."""

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.core.units import DOLLAR, Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.lines import Row
from pmm_tui.tui.state import SLIPPAGE_TICKS, Scene, exit_of, worst_case

TYPED_ABOVE = Cash(250 * DOLLAR)
"""Real money beyond this is typed, not confirmed by one key."""
_SHOWN = 8


def mode(scene: Scene) -> str:
    """The word of the desk's mode, for phrases and titles."""
    if scene.rehearsing:
        return "REHEARSAL"
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
                (f"      at {f.cents(exit_.worst, row.tick)}¢ or better, {SLIPPAGE_TICKS} ticks beyond the touch", ""),
                (covered, "warn"),
            )
        )
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


def changes(text: str) -> list[Row]:
    """A profile's diff as the desk tells it, line by line."""
    lines = text.splitlines()[:14]
    return [((f" {f.said(line, 72).rstrip()}", ""),) for line in lines]


def stop(scene: Scene) -> list[Row]:
    """What ending the desk does."""
    held = sum(1 for row in scene.frame.snapshot.markets if row.yes != row.no) if scene.frame is not None else 0
    orders = len(scene.frame.snapshot.orders) if scene.frame is not None else 0
    return [
        ((f" cancels {orders} open order{'s' if orders != 1 else ''}, then ends the run", ""),),
        ((f" {held} position{'s are' if held != 1 else ' is'} kept as {'they are' if held != 1 else 'it is'}", "warn" if held else "dim"),),
    ]
