"""A crowd that does what it is told: a ladder where a test wants it, and a pulse far from it, so that data flows."""

from collections.abc import Sequence

from pmm_tui.core.market import Fees, Market, Side
from pmm_tui.core.units import MILLI, SECOND, SHARE, Nanos, Price, Size
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, Order
from pmm_tui.record.drawn import START

CROWD, TAKER = "crowd", "taker"
PULSE_NS = 200 * MILLI
DEPTH = 4
MARKET = Market(
    id="0x" + "ab" * 32,
    slug="scene-1",
    question="Will the desk stand it?",
    yes="71321045679252212594626385532706912750332728571942532289631379312455583992563",
    no="52114319501245915516055106046884209969926127482827954674443846427813813222426",
    tick=Price(100),
    min_size=Size(5 * SHARE),
    opens=Nanos(START - 60 * SECOND),
    closes=Nanos(START + 3_600 * SECOND),
    fees=Fees(0.07, 1.0, 0.2),
)


class Crowd:
    """Makers at a touch that a test moves, one more of them far away who changes their mind five times a second, and takers when asked."""

    def __init__(self, matching: Matching, market: Market = MARKET) -> None:
        self.market = market
        self.touch = (0, 0)
        self.pulsing = True
        self._matching = matching
        self._count = 0
        self._shown: list[str] = []
        self._pulse: list[str] = []
        for wallet in (CROWD, TAKER):
            matching.unlimited(wallet)

    def act(self, matching: Matching, at: Nanos) -> Nanos:
        """The pulse."""
        if self.pulsing and not matching.markets[self.market.id].closed:
            matching.cancel(self._pulse, CROWD, at)
            tick = int(matching.tick(self.market.id))
            self._pulse = [self._send(CROWD, Side.BUY, 5 * tick, 50 + self._count % 7, Lasts.GTC, at)]
        return Nanos(at + PULSE_NS)

    def show(self, bid: int, ask: int, at: Nanos, shares: int = 100, sides: Sequence[Side] = tuple(Side)) -> None:
        """Have the touch there (ten-thousandths), with a few levels behind it; a side that is not wanted is empty but for the pulse."""
        tick = int(self._matching.tick(self.market.id))
        self._matching.cancel(self._shown, CROWD, at)
        self.touch = (bid, ask)
        self._shown = [
            self._send(CROWD, side, best + step * level, shares, Lasts.GTC, at)
            for side, best, step in ((Side.BUY, bid, -tick), (Side.SELL, ask, tick))
            for level in range(DEPTH)
            if side in sides
        ]

    def take(self, token: str, side: Side, price: int, shares: float, at: Nanos) -> str:
        """Somebody trades at once what there is within a price; the order's id."""
        return self._send(TAKER, side, price, shares, Lasts.FAK, at, token)

    def _send(self, wallet: str, side: Side, price: int, shares: float, lasts: Lasts, at: Nanos, token: str = "") -> str:
        self._count += 1
        name, size = f"{wallet}-{self._count}", Size(round(shares * SHARE))
        token = token or self.market.yes
        self._matching.place(Order(name, wallet, "", self.market.id, token, side, Price(price), size, lasts, False, at), at)
        return name
