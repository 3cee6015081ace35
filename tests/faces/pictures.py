"""Hand-made pictures of a desk in every state that a face must be able to show."""

import math

from msgspec.structs import replace

from pmm_tui.core.market import Side
from pmm_tui.core.snapshot import (
    BookHealth,
    DeskCard,
    FeedRow,
    FillRow,
    Frame,
    KillRow,
    LevelRow,
    MarketRow,
    Money,
    NoteRow,
    OrderRow,
    QuoteRow,
    RiskRow,
    Snapshot,
    TradeRow,
)
from pmm_tui.core.units import DOLLAR, SECOND, SHARE, Cash, Nanos, Price, Size

NOW = Nanos(1_795_269_753_400_000_000)
"""2026-11-21 14:02:33.4 UTC."""
BTC = "0x8f00000000000000000000000000000000000000000000000000000000000021"
ETH = "0x7700000000000000000000000000000000000000000000000000000000000034"
FED = "0x1200000000000000000000000000000000000000000000000000000000000056"


def usd(dollars: float) -> Cash:
    """Dollars as the desk's integers."""
    return Cash(round(dollars * DOLLAR))


def lots(shares: float) -> Size:
    """Shares as the desk's integers."""
    return Size(round(shares * SHARE))


def ago(seconds: float) -> Nanos:
    """A moment before NOW."""
    return Nanos(NOW - round(seconds * SECOND))


def level(cents: float, size: float, ours: float = 0.0) -> LevelRow:
    """One level of the book."""
    return LevelRow(Price(round(cents * 100)), lots(size), lots(ours))


def _trade(number: int) -> TradeRow:
    sold = number % 3 == 1
    return TradeRow(ago(1.6 * number), Price(5_200 if sold else 5_300), lots(75 * number + 3), Side.SELL if sold else Side.BUY)


def market() -> MarketRow:
    """A 15-minute market that is being quoted on both sides, two levels deep."""
    return MarketRow(
        id=BTC,
        slug="btc-updown-15m-1795269600",
        question="Bitcoin Up or Down - November 21, 2:00PM-2:15PM ET",
        outcomes=("Up", "Down"),
        closes=Nanos(NOW + 747 * SECOND),
        tick=Price(100),
        state="quoting",
        why="",
        bids=(
            level(52, 5_200, 25), level(51, 7_700, 25), level(50, 12_400), level(49, 3_100), level(48, 8_800.5), level(47, 2_000),
            level(46, 6_100),
        ),
        asks=(
            level(53, 6_400, 25), level(54, 8_300, 25), level(55, 11_000), level(56, 6_400), level(57, 9_120), level(58, 17_000),
            level(59, 910.25),
        ),
        mid=0.525,
        micro=0.52448,
        imbalance=-0.1034,
        fair=0.5246,
        centre=0.5239,
        half_spread=0.0090,
        sigma=0.00512,
        sigma_source="estimate",
        last=Price(5_200),
        health=BookHealth(age_ms=140, verified=88_120, mismatched=2, unverifiable=311, stale_frames=14, resyncs=0, crossed=False),
        quotes=(
            QuoteRow(Side.BUY, Price(5_200), lots(25), 0, ""),
            QuoteRow(Side.BUY, Price(5_100), lots(25), 1, ""),
            QuoteRow(Side.SELL, Price(5_300), lots(25), 0, ""),
            QuoteRow(Side.SELL, Price(5_400), lots(25), 1, ""),
        ),
        yes=lots(120),
        no=lots(40),
        cost=usd(79.2),
        realised=usd(4.1),
        unrealised=usd(1.8),
        payout_yes=None,
        fills=61,
        trades=tuple(_trade(number) for number in range(1, 9)),
    )  # fmt: skip


def _still(state: str, why: str, row: MarketRow) -> MarketRow:
    """The same market, silent."""
    return replace(
        row,
        state=state,
        why=why,
        quotes=(),
        bids=tuple(replace(one, ours=Size(0)) for one in row.bids),
        asks=tuple(replace(one, ours=Size(0)) for one in row.asks),
    )


def second() -> MarketRow:
    """A market that is held by a cap."""
    row = replace(
        market(), id=ETH, slug="eth-updown-15m", question="Ethereum Up or Down - November 21, 2:00PM-2:15PM ET", mid=0.479,
        yes=lots(0), no=lots(500), cost=usd(251.0), realised=usd(-0.6), unrealised=usd(-1.8), fills=8,
    )  # fmt: skip
    held = _still("held", "position cap: 500 of 500 Down, asks only", row)
    return replace(held, quotes=(QuoteRow(Side.BUY, Price(4_700), lots(25), 0, "position cap"),))


def third() -> MarketRow:
    """A long-dated market on a fine grid, one-sided quoting."""
    return replace(
        market(), id=FED, slug="fed-cuts-25bp", question="Fed cuts 25bp in December?", outcomes=("Yes", "No"), tick=Price(10),
        closes=Nanos(NOW + 18 * 86_400 * SECOND), mid=0.7135, micro=0.7137, fair=0.7131, centre=0.7128,
        bids=(level(71.3, 182_000, 200), level(71.2, 1_250_000), level(71.1, 9_000)),
        asks=(level(71.4, 21_000, 200), level(71.5, 33_000), level(71.6, 1_000)),
        quotes=(QuoteRow(Side.BUY, Price(7_130), lots(200), 0, ""), QuoteRow(Side.SELL, Price(7_140), lots(200), 0, "")),
        yes=lots(200), no=lots(0), cost=usd(140.0), realised=usd(0), unrealised=usd(2.7), fills=3,
    )  # fmt: skip


def money() -> Money:
    """A good day: up 12.40 on 500, 2.1 % below the peak."""
    return Money(
        initial=usd(500),
        cash=usd(401.12),
        reserved=usd(51.75),
        equity=usd(512.4),
        realised=usd(10.6),
        unrealised=usd(1.8),
        fees=usd(-0.12),
        adverse=usd(2.31),
        captured=usd(14.9),
        peak=usd(523.4),
        drawdown=usd(11.0),
        drawdown_pct=2.1,
        max_drawdown=usd(23.1),
        alert_pct=15.0,
        halt_pct=25.0,
        reference="peak", drift=usd(-0.31), halts_at=usd(392.55),
    )  # fmt: skip


def _fill(seconds: float, side: Side, size: float, cents: float, edge: float, *after: float | None, **more: object) -> FillRow:
    row = FillRow(
        at=ago(seconds), market=BTC, order=4_100 - round(seconds), outcome="Up", side=side, price=Price(round(cents * 100)),
        size=lots(size), fee=usd(-0.01), edge=usd(edge), maker=True, status="MATCHED",
        markouts=tuple(None if one is None else usd(one / 100) for one in after),
    )  # fmt: skip
    return replace(row, **more)


def fills() -> tuple[FillRow, ...]:
    """Newest first: bought, sold, a loss, one while the data was stale, of the other outcome, one that failed on chain, one as a taker."""
    return (
        _fill(1.6, Side.BUY, 25, 51, 0.38, 1.5, ahead=lots(0), answered_ms=38.0),
        _fill(16, Side.SELL, 25, 53, 0.12, 0.5, 0.25, -0.5, ahead=lots(1_250), answered_ms=1_204.0),
        _fill(34, Side.BUY, 12.5, 52, -0.09, -0.5, -1, 0, 0.5),
        _fill(52, Side.SELL, 25, 53, 0.25, 1, 0.5, None, None, status="CONFIRMED"),
        _fill(81, Side.BUY, 25, 49, 0.4, 1.5, 1, 0.5, -1.5, outcome="Down", status="CONFIRMED"),
        _fill(105, Side.BUY, 10, 50, 0.2, *[None] * 6, status="FAILED"),
        _fill(123, Side.SELL, 25, 52, -0.13, -0.5, -0.5, -2, -10.5, -12.25, maker=False, status="CONFIRMED"),
    )


def orders() -> tuple[OrderRow, ...]:
    """Resting, partly filled, on its way out, on its way in, and for a moment unknown."""
    row = OrderRow(4_101, BTC, "Up", Side.BUY, Price(5_200), lots(25), Size(0), "OPEN", ago(3.2), "", ahead=lots(1_100))
    return (
        row,
        replace(row, id=4_088, price=Price(5_100), filled=lots(12.5), sent_at=ago(12.1), ahead=lots(0)),
        replace(row, id=4_102, side=Side.SELL, price=Price(5_300), sent_at=ago(3.2), ahead=lots(312.5)),
        replace(
            row, id=4_090, side=Side.SELL, price=Price(5_400), status="CANCELLING", sent_at=ago(71), ahead=lots(8_275), unsure_at=ago(0.2),
        ),
        replace(
            row, id=4_103, outcome="Down", price=Price(4_600), status="UNCERTAIN", sent_at=ago(7.4), why="timeout after 5 s",
            ahead=Size(-1), unsure_at=ago(2.4),
        ),
        replace(row, id=4_104, price=Price(5_000), status="SENT", sent_at=ago(0.1), ahead=Size(-1)),
    )  # fmt: skip


def notes() -> tuple[NoteRow, ...]:
    """Newest first, every level."""
    return (
        NoteRow(ago(1.6), "info", "fill BUY 25 Up @ 51.0"),
        NoteRow(ago(2.4), "warn", "order 4103 uncertain: timeout after 5 s"),
        NoteRow(ago(4), "info", "requote: 1 cancel, 2 placed"),
        NoteRow(ago(22), "warn", "feed gap 1.2 s: quotes pulled until the book is fresh"),
        NoteRow(ago(52), "alarm", "3 hash mismatches in a row: resync"),
        NoteRow(ago(600), "info", "quoting btc-updown-15m-1795269600"),
    )


def curve(last: float = 12.4, points: int = 240) -> tuple[tuple[Nanos, Cash], ...]:
    """Three hours of equity that climbs in waves and ends at `last` above 500."""
    rise = [last * i / (points - 1) + 8 * math.sin(i / 17) * (i / points) ** 0.5 * (1 - i / (points - 1)) for i in range(points)]
    return tuple((ago(10_800 * (points - 1 - i) / (points - 1)), usd(500 + value)) for i, value in enumerate(rise))


def risk() -> tuple[RiskRow, ...]:
    """Where the guards and caps stand."""
    return (
        RiskRow("data age", "0.1 s", "2 s", False, 0.07),
        RiskRow("net position", "80 sh", "500 sh", False, 0.16),
        RiskRow("one market", "27.7 %", "60 %", False, 0.46),
        RiskRow("all capital", "84.2 %", "100 %", False, 0.842),
        RiskRow("open orders", "6", "200", False, 0.03),
        RiskRow("time to the end", "12 min", ">30 s", False),
        RiskRow("wallet check", "not asked", "2", False),
    )


def card() -> DeskCard:
    """A paper desk on live data."""
    return DeskCard(
        run="run-007-1795258", profile="run-007", mode="PAPER", source="live", started=ago(11_521), speed="", tape_position=0.0,
        engine_p99_us=84.0, pid=4_711, version="0.1.0", fill_model="queue", account="", busy="",
    )  # fmt: skip


def snapshot() -> Snapshot:
    """Everything well: quoting one market."""
    return Snapshot(
        seq=88_120,
        at=NOW,
        phase="running",
        why="",
        money=money(),
        markets=(market(),),
        orders=orders(),
        fills=fills(),
        feeds=(
            FeedRow("market", True, ago(11_500), ""),
            FeedRow("rest", True, ago(11_500), ""),
            FeedRow("venue", True, ago(11_500), ""),
        ),
        risk=risk(),
        kill=(),
        notes=notes(),
        equity_curve=curve(),
        fill_count=61,
        orders_sent=512,
        rejects={"post_only": 3, "balance": 1},
    )


def quoting() -> Frame:
    """The everyday picture."""
    return Frame(card(), snapshot())


def three() -> Frame:
    """Three markets: one quoting, one held, one far away."""
    return Frame(card(), replace(snapshot(), markets=(market(), second(), third())))


def tape() -> Frame:
    """The demo: a tape at ten times its speed, 62 % played."""
    return replace(quoting(), card=replace(card(), profile="demo", source="tape", speed="10", tape_position=0.62, fill_model="coin"))


def live() -> Frame:
    """The production desk."""
    return replace(
        quoting(), card=replace(card(), mode="LIVE", profile="prod-001", run="prod-001-1795258", fill_model="the venue", account="0x71…9c")
    )


def waiting() -> Frame:
    """Just started: no book, no curve, nothing known."""
    nan = float("nan")
    row = replace(
        _still("waiting", "no book yet", market()), bids=(), asks=(), mid=nan, micro=nan, imbalance=nan, fair=nan, centre=nan,
        half_spread=nan, sigma=nan, sigma_source="fallback", last=Price(0), yes=Size(0), no=Size(0), cost=usd(0), realised=usd(0),
        unrealised=usd(0), fills=0, health=BookHealth(-1, 0, 0, 0, 0, 0, False), trades=(),
    )  # fmt: skip
    zero = usd(0)
    still = replace(
        money(), cash=usd(500), reserved=zero, equity=usd(500), realised=zero, unrealised=zero, fees=zero, adverse=zero, captured=zero,
        drift=zero, peak=usd(500), drawdown=zero, drawdown_pct=0.0, max_drawdown=zero, halts_at=usd(375),
    )  # fmt: skip
    return Frame(
        card(),
        replace(
            snapshot(), seq=3, phase="starting", why="waiting for the first book", money=still, markets=(row,), orders=(), fills=(),
            feeds=(FeedRow("market", False, ago(9), "connecting, attempt 3"), FeedRow("rest", False, ago(9), "no route to host")),
            risk=(), notes=(NoteRow(ago(9), "warn", "market feed: no route to host, trying again in 4 s"),), equity_curve=(),
            fill_count=0, orders_sent=0, rejects={},
        ),
    )  # fmt: skip


def held() -> Frame:
    """Nothing quotes, and the reviewers say why."""
    rows = tuple(replace(one, holding=True, now="4.2 s", used=2.1) if one.name == "data age" else one for one in risk())
    stale = _still("stale", "book age 4.2 s, limit 2 s", replace(market(), health=replace(market().health, age_ms=4_200)))
    feeds = (FeedRow("market", False, ago(4.2), "no data for 4.2 s, reconnecting"), *snapshot().feeds[1:])
    return Frame(card(), replace(snapshot(), markets=(stale, second()), orders=(), risk=rows, feeds=feeds))


def paused() -> Frame:
    """The operator pulled the quotes."""
    row = _still("paused", "paused by console:pts/3", market())
    return Frame(card(), replace(snapshot(), phase="paused", why="paused by console:pts/3", markets=(row,), orders=()))


def alert() -> Frame:
    """Past the alert level, still quoting."""
    worse = replace(
        money(), equity=usd(418.0), drift=usd(-94.71), realised=usd(-70.2), unrealised=usd(-11.8), drawdown=usd(82.0), drawdown_pct=16.4,
        max_drawdown=usd(84.0), peak=usd(501.0), cash=usd(310.0), reference="start", halts_at=usd(375),
    )  # fmt: skip
    told = (NoteRow(ago(0.9), "alarm", "drawdown 16.37 % of the start ($82.00)"), *notes())
    alerted = replace(snapshot(), phase="alert", why="drawdown beyond the alert level", notes=told)
    return Frame(card(), replace(alerted, money=worse, equity_curve=curve(-82.0)))


def killing() -> Frame:
    """The kill is under way: cancels sent, not verified."""
    steps = (
        KillRow("stop quoting", ago(1.2), "admission closed"),
        KillRow("cancel all", Nanos(0), "1 not yet gone"),
        KillRow("verify", Nanos(0), "not yet, asked 2 times"),
        KillRow("flatten", Nanos(0), "kept until flattened"),
    )
    base = alert().snapshot
    worse = replace(
        base.money, equity=usd(373.4), realised=usd(-114.8), unrealised=usd(-11.8), drawdown=usd(126.6), drawdown_pct=25.3,
        drift=usd(-139.31), max_drawdown=usd(126.6), reserved=usd(13),
    )  # fmt: skip
    why = "drawdown 25.32 % of the start reached 25 %"
    stopped = replace(base, phase="killing", why=why, markets=(_still("killing", why, market()),), orders=orders()[:1], kill=steps)
    return Frame(card(), replace(stopped, money=worse, equity_curve=curve(-126.6)))


def killed() -> Frame:
    """Latched: everything proven gone."""
    steps = (
        KillRow("stop quoting", ago(14.2), "admission closed"),
        KillRow("cancel all", ago(14.1), "none left in our books"),
        KillRow("verify", ago(13.6), "account holds no order"),
        KillRow("flatten", Nanos(0), "kept until flattened"),
    )
    base = killing().snapshot
    log = (
        NoteRow(ago(13.6), "info", "kill verified: the venue's account holds no open order"),
        NoteRow(ago(14.2), "alarm", f"KILL: {base.why}"), *notes()[3:],
    )  # fmt: skip
    money_, rows = replace(base.money, reserved=usd(0)), (replace(base.markets[0], state="killed"),)
    return Frame(card(), replace(base, phase="killed", money=money_, markets=rows, orders=(), kill=steps, notes=log))


def resolved() -> Frame:
    """The market is over: the payout is booked."""
    row = replace(
        _still("resolved", "Up won: paid $120.00", market()), payout_yes=Price(10_000), yes=Size(0), no=Size(0), cost=usd(0),
        realised=usd(44.9), unrealised=usd(0), closes=ago(61), bids=(), asks=(),
    )  # fmt: skip
    return Frame(card(), replace(snapshot(), markets=(row,), orders=()))


def hostile() -> Frame:
    """Titles and reasons that attack the terminal: escapes, bidi, markup, newlines, zalgo, emoji and far too long."""
    evil = (
        "\x1b]0;owned\x07\x1b[2J[bold red]x[/bold red] [@click=app.quit]go[/] \u202etxet\u202c\u200b\n\r\t"
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 Z" + "\u0301" * 40 + "\x9b31m" + "A" * 5_000
    )
    row = replace(market(), question=evil, slug=evil, why=evil, outcomes=(evil, "[/]"), state="held")
    bad = replace(card(), profile=evil, run=evil, busy=evil, account=evil, fill_model=evil)
    base = snapshot()
    return Frame(
        bad,
        replace(
            base, why=evil, markets=(row,), notes=(NoteRow(ago(1), "alarm", evil),), feeds=(FeedRow(evil, False, NOW, evil),),
            risk=(RiskRow(evil, evil, evil, True),), orders=tuple(replace(one, outcome=evil, why=evil, status=evil) for one in base.orders),
            fills=tuple(replace(one, outcome=evil) for one in base.fills), kill=(KillRow(evil, NOW, evil),), rejects={evil: 1},
        ),
    )  # fmt: skip
