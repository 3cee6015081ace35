"""One of every fact and of every request, with the odd values that a record has to keep."""

from collections.abc import Iterable
from pathlib import Path

from pmm_tui.core import commands, events, instructions
from pmm_tui.core.commands import Command
from pmm_tui.core.events import Event
from pmm_tui.core.market import Fees, Kind, Market, Rewards, Side
from pmm_tui.core.units import Cash, Nanos, Price, Size
from pmm_tui.record.journal import Journal
from pmm_tui.record.lines import Entry

AT = Nanos(1_790_585_112_649_000_001)
ID = "0xfb85ca82aa27f2ae7ea27513c8e341f029168fb664e78f8d82ab585af9af1028"
MARKET = Market(
    id=ID,
    slug="btc-updown-15m",
    question='Will "Ł" → 🚀 \u2028 win?\n\x1b]0;\u202e',
    yes="1" * 77,
    no="2" * 77,
    tick=Price(25),
    min_size=Size(5_000_000),
    outcomes=("Up", "Down"),
    closes=AT,
    neg_risk=True,
    fees=Fees(0.07, 1.0, 0.1 + 0.2),
    rewards=Rewards(4.5, Size(50_000_000), 1e-7),
)

FACTS: list[Event] = [
    events.Ticked(AT),
    events.BookReset(AT, ID, AT, ((Price(1), Size(1)), (Price(4900), Size(10**15))), (), MARKET.no, "ab" * 20, Price(10), "0.130", True),
    events.BookChanged(AT, ID, AT, ((Side.BUY, Price(4900), Size(0)), (Side.SELL, Price(5000), Size(7))), "a", "b", Price(0), None),
    events.Traded(AT, ID, AT, Price(4900), Size(13_793_100), Side.SELL, "0.490"),
    events.TickSizeChanged(AT, ID, AT, Price(10)),
    events.ReferenceMoved(AT, "chainlink", "btc/usd", Cash(63_123_543_864), AT),
    events.MarketListed(AT, MARKET),
    events.MarketClosed(AT, ID),
    events.MarketResolved(AT, ID, Price(10_000)),
    events.OrderAccepted(AT, 1, "0xabc", Size(3)),
    events.OrderRejected(AT, 2, 'order {"seq":3,"crc":"00000000","x":1}\n crosses the book', "post_only"),
    events.OrderCancelled(AT, 3, Size(0), "ours"),
    events.OrderFilled(AT, 4, "t-1", Price(1), Size(1), Cash(-5), False, Cash(9)),
    events.OrderUncertain(AT, 5, "timeout"),
    events.FillSettled(AT, "t-1", 4, False),
    events.OrderSigned(AT, 4, "0x" + "ab" * 32),
    events.AccountSeen(
        AT,
        Cash(-1),
        ((MARKET.yes, Size(1)),),
        (events.OrderSeen(4, "absent", Size(0)),),
        (events.ExternalOrder(-1, "0xdef", ID, MARKET.no, Side.SELL, Price(1), Size(2)),),
    ),
    events.AccountOpened(AT, Cash(25_000_000)),
    events.PositionFound(AT, ID, MARKET.yes, Size(3), Price(9_999)),
    events.ExternalFilled(AT, -1, "t-2", ID, MARKET.yes, Side.BUY, Price(5_000), Size(1), Cash(7)),
    events.WalletSeen(AT, Cash(0), ((MARKET.no, Size(9)),), Cash(12)),
    events.PairsMerged(AT, ID, Size(0), Cash(1), "no gas"),
    events.LinkUp(AT, "market"),
    events.LinkDown(AT, "market", "καλημέρα"),
    events.ClockSeen(AT, -1_000_000_000, 250_000_000),
    events.VenueModeChanged(AT, "restarting", Nanos(AT + 5)),
    instructions.Paused(AT, "cli", ID),
    instructions.Resumed(AT, "cli"),
    instructions.Flattened(AT, "console:tty", ID, 3, True),
    instructions.Killed(AT, "signal", "SIGUSR1"),
    instructions.Ended(AT, "desk"),
    instructions.KillReset(AT, "api", "looked at it"),
    instructions.Retuned(AT, "cli", {"gamma_risk_aversion": 0.1 + 0.2, "levels": 3, "complement_routing": False, "mode": "paper"}),
]
REQUESTS: list[Command] = [
    commands.Place(41, ID, MARKET.yes, Side.BUY, Price(4900), Size(5_000_000), Kind.POST_ONLY),
    commands.Cancel(40),
    commands.CancelAll(),
    commands.Sync((40, 41)),
    commands.Merge(ID, Size(2_500_000)),
    commands.Watch(ID),
    commands.Unwatch(ID),
    commands.Alert("alarm", "kill", 'drawdown "25 %" 🚨'),
]
STEPS: list[tuple[Event, list[Command]]] = [(fact, REQUESTS if number % 5 == 0 else []) for number, fact in enumerate(FACTS)]
TICKS: list[tuple[Event, list[Command]]] = [(events.Ticked(Nanos(n)), [commands.Cancel(n)] if n % 2 else []) for n in range(6)]
HEADER: dict[str, object] = {"program": "0.1.0", "run": "r-1", "seed": 7, "mode": "paper", "started": AT, "knobs": {"gamma": 0.3}}


def small_run(folder: Path, steps: list[tuple[Event, list[Command]]] = STEPS, digest: str | None = "d1", **how: float) -> Path:
    """A run with these steps; ended in order where there is a digest. Returns the live file."""
    journal = Journal(folder, HEADER, ballast_mib=0, sync_ms=1_000_000, rotate_mib=how.get("rotate_mib", 64))
    for event, asked in steps:
        journal.write(event, asked)
    journal.close(digest)
    return folder / "journal.jsonl"


def steps_of(entries: Iterable[Entry]) -> list[tuple[Event, list[Command]]]:
    """What was written, from what was read."""
    return [(entry.event, entry.commands) for entry in entries]
