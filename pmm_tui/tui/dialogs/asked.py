"""What the questions say: the orders of a flatten with their worst cost, the diff of a profile, a reset, a resume, a stop."""

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.core.units import DOLLAR, ONE, Cash, Price, pays
from pmm_tui.tui import format as f
from pmm_tui.tui.closing import SLIPPAGE_TICKS, Exit, exit_of
from pmm_tui.tui.elsewhere import PreflightLine
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.rows.lines import Row, Span, length
from pmm_tui.tui.state import OVER, Scene, cools_down, why_lost, worst_case

TYPED_ABOVE = Cash(250 * DOLLAR)
"""Real money beyond this is typed, not confirmed by one key."""
_SHOWN = 8
_WIDE = 58
"""Cells of a line beside its heading."""
_UNDER: Span = (" " * 15, "")
"""Where what goes on below a heading begins."""


def mode(scene: Scene) -> str:
    """The word of the desk's mode, for phrases and titles."""
    if scene.rehearsing or scene.replayed:
        return "REHEARSAL" if scene.rehearsing else "REPLAY"
    return f.said(scene.frame.card.mode, 5).strip() if scene.frame is not None else "?"


def title(scene: Scene, what: str) -> str:
    """Every dialog names its desk, once there is one."""
    if scene.frame is None:
        return what
    return f"LIVE $$$ REAL MONEY: {what}" if scene.live else f"{mode(scene)}: {what}"


def flatten(scene: Scene, rows: tuple[MarketRow, ...]) -> tuple[list[Row], Cash]:
    """What a flatten comes to at worst, then the exact orders that it would send; and the proceeds at the worst price, all together."""
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
    if not exits:
        where = f" in {f.middle(rows[0].question, 33).strip()}" if len(rows) == 1 else ""
        made.append(((f" {last}  nothing to sell: no net position{where}", "dim"),))
        return [*made, (), ((" so either answer leaves it at the steps above", ""),)], Cash(0)
    made += _sale(last, *exits[0]) if len(exits) == 1 else _sales(last, exits)
    cost, fee = Cash(sum(exit_.cost for _, exit_ in exits)), Cash(sum(row.exit_fee for row, _ in exits))
    proceeds = Cash(sum(exit_.proceeds for _, exit_ in exits))
    return [
        (
            (" worst cost against the mid  ", "head"),
            (f.usd(Cash(-cost)), "minus" if cost > 0 else ""),
            (f"   and a fee of {f.usd(fee)}", "dim"),
        ),
        ((" proceeds at the worst price ", "head"), (f.usd(proceeds), "bold")),
        (),
        *made,
    ], proceeds


def _sale(step: int, row: MarketRow, exit_: Exit) -> list[Row]:
    """One market's order, in both ways that it may go out."""
    what = f" {step}  SELL {f.shares(exit_.size)} {f.said(exit_.outcome, 12).strip()}"
    made: list[Row] = [((what, "bold"), (f"  {f.middle(row.question, 48).strip()}", "dim"))]
    if not exit_.worst:
        return [*made, (("      nobody bids: nothing can be sold now", "alarm"),)]
    covered = "" if exit_.covered >= exit_.size else f", the book takes only {f.shares(exit_.covered)} there"
    now = f"      now: at {f.cents(exit_.worst, row.tick)}¢ or better, {SLIPPAGE_TICKS} ticks beyond the touch"
    made.append(((now, ""), (covered, "warn")))
    if rest := touch_of(row):
        made.append(((f"      or resting at the touch, {f.cents(rest, row.tick)}¢, for as long as it takes", ""),))
    return made


def _sales(step: int, exits: list[tuple[MarketRow, Exit]]) -> list[Row]:
    """A line for each of several markets, as many as a small screen has."""
    made: list[Row] = [
        ((f" {step}  SELL           ", "bold"), (f"now at least  or resting   now: {SLIPPAGE_TICKS} ticks beyond touch", "head"))
    ]
    for row, exit_ in exits[:_SHOWN]:
        rest = touch_of(row)
        now = f"{f.cents(exit_.worst, row.tick)}¢" if exit_.worst else "nobody bids"
        short = f"  the book takes only {f.shares(exit_.covered)}" if exit_.worst and exit_.covered < exit_.size else ""
        made.append((
            (f"    {f.fit(f'{f.shares(exit_.size)} {f.said(exit_.outcome, 8).strip()}', 15)}", "bold"),
            (f" {f.fit(now, 11, '>')}", "" if exit_.worst else "alarm"),
            (f"{f.fit(f'{f.cents(rest, row.tick)}¢' if rest else f.NONE, 12, '>')}   ", ""),
            (f.middle(row.question, 27 - len(short)).rstrip(), "dim"),
            (short, "warn"),
        ))  # fmt: skip
    if len(exits) > _SHOWN:
        made.append(((f"    and {len(exits) - _SHOWN} more markets", "warn"),))
    return made


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


def resume(scene: Scene, preflight: PreflightLine | None = None, market: str = "") -> list[Row]:
    """What a resume on the production desk starts again, in one market or in all, and what stands behind it."""
    return [((" quotes go out again with real money", "bold"),), *go_live(scene, preflight, market, again=True)]


def go_live(scene: Scene, preflight: PreflightLine | None = None, market: str = "", again: bool = False) -> list[Row]:
    """What the production desk quotes with from now on, its last preflight, and what that desk itself knows against it.

    `again`: it goes on with what it was paused in, for which no new preflight is asked.
    """
    if scene.frame is None:
        return [((f" {why_lost(scene.link)}", "down"),)]
    card, snapshot = scene.frame.card, scene.frame.snapshot
    money, limits = snapshot.money, {row.name: f.clean(row.limit) for row in snapshot.risk}
    open_ = [row for row in snapshot.markets if row.state not in OVER and market in ("", row.id)]
    exits = Cash(sum(worst_case(row) for row in snapshot.markets))
    most = f"   at most {limits.get('net position', f.NONE)} a market, {limits.get('all capital', f.NONE)} of the equity"
    which = f"{len(open_)} open" if not market or not open_ else f.middle(open_[0].question, 24).rstrip()
    links = sorted([("desk heard", not scene.lost), *((f.clean(feed.link), feed.up) for feed in snapshot.feeds)], key=lambda link: link[1])
    held = ["the kill switch"] * scene.stopped + [f.clean(row.name) for row in snapshot.risk if row.holding]
    rows: list[Row] = [
        ((" profile       ", "head"), (f.said(card.profile, 20), "bold"), (f"account {f.clean(card.account)[:16] or 'not named'}", "")),
        ((" balance       ", "head"), (f.usd(money.cash), "bold"), (f"   equity {f.usd(money.equity)}, worst {f.signed_usd(exits)}", "")),
        ((" markets       ", "head"), (which, ""), (most if not market else "", "")),
        ((" first quotes  ", "head"), (first_quotes(scene, market), "")),
        (
            (" kill at       ", "head"),
            (f"{money.halt_pct:g}% drawdown, now {f.percent(money.drawdown_pct)}   stale feed {limits.get('data age', f.NONE)}", ""),
        ),
        *_preflight(scene, preflight, again),
        *_packed(
            (" desk now      ", "head"),
            [(f"{'✔' if up else '✖'} {f.said(name, 30).rstrip()}", "up" if up else "down") for name, up in links],
        ),
        (
            (" held by       ", "head"),
            (f.said(", ".join(held) or "no guard", _WIDE).rstrip(), "alarm" if scene.stopped else "warn" if held else "up"),
        ),
    ]
    if scene.stopped:
        left = cools_down(scene)
        rows.append(
            (
                (" its kill switch has tripped: ", "alarm"),
                (f"{key_of('target')} gives it the keys, then {key_of('kill.reset')} resets it", "alarm"),
            )
        )
        rows += [((f" it cools down first: {f.age(left)} left", "warn"),)] if left > 0 else []
    return rows


def _packed(head: Span, items: list[Span]) -> list[Row]:
    """One thing after another, all of them, in as many lines as it takes."""
    lines: list[list[Span]] = [[head]]
    for text, style in items:
        if len(lines[-1]) > 1 and length(lines[-1][1:]) + f.width_of(text) > _WIDE:
            lines.append([_UNDER])
        lines[-1].append((f"{text}  ", style))
    return [tuple(line) for line in lines]


def first_quotes(scene: Scene, market: str = "") -> str:
    """How many orders a resume sends first, and what they come to at most; the quotes that only a pause holds are among them."""
    markets = scene.frame.snapshot.markets if scene.frame is not None else ()
    wished = [quote for row in markets if row.state not in OVER and market in ("", row.id) for quote in row.quotes]
    quotes = [quote for quote in wished if not quote.held or quote.held.startswith("paused")]
    if not quotes:
        return "not known: it wishes none now"
    notional = sum(pays(quote.price if quote.side == "BUY" else Price(ONE - quote.price), quote.size) for quote in quotes)
    return f"{len(quotes)} orders, notional ≤ {f.usd(Cash(notional))}"


def proven(scene: Scene, line: PreflightLine | None) -> bool:
    """Whether a preflight that counts today stands behind this desk; where no money is at stake none is needed."""
    return scene.rehearsing or (line is not None and not line.against and all(ok for _, ok, _ in line.checks))


def _preflight(scene: Scene, line: PreflightLine | None, again: bool) -> list[Row]:
    """When it was, whether it counts, each check; those that failed with why; what to run where it does not count."""
    head: Span = (" pre-flight    ", "head")
    name = f.clean(scene.frame.card.profile)[:30] if scene.frame is not None else ""
    if line is None and scene.rehearsing:
        return [(head, ("not needed: no money here", "dim"))]
    run: list[Row] = [(_UNDER, ("stop this desk, start it again after ", ""), (f"pmm-tui preflight --profile {name}", "ours"))]
    if length(run[0]) > _WIDE + 15:
        run = [(_UNDER, ("stop this desk, start it again after", "")), (_UNDER, (f"pmm-tui preflight --profile {name}", "ours"))]
    if again:
        run = [(_UNDER, ("a resume asks for none", "dim"))]
    if line is None:
        return [(head, ("none today", "warn" if again else "alarm")), *run]
    passed = [f.clean(check)[:24] for check, ok, _ in line.checks if ok]
    failed = [(f.clean(check)[:24], f.clean(why)) for check, ok, why in line.checks if not ok]
    when = f"{f.day(line.at)} {f.clock(line.at)}{f.zone()}, {len(passed)} of {len(line.checks)} passed"
    rows: list[Row] = [(head, (when, "" if failed or line.against else "up"))]
    rows += _packed(_UNDER, [(f"✔ {check}", "up") for check in passed]) if passed else []
    rows += [(_UNDER, (f.fit(f"✖ {check}: {why}", _WIDE).rstrip(), "down")) for check, why in failed[:3]]
    return rows if proven(scene, line) else [*rows, (_UNDER, (f"! {f.clean(line.against) or 'a check failed'}", "alarm")), *run]


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
