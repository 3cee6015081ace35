"""Reading the account at the venue, and what a reading proves of each order; a failed reading proves nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from pmm_tui.core.events import AccountSeen, Event, OrderSeen
from pmm_tui.core.market import Market
from pmm_tui.core.units import SECOND, Cash, Nanos, Size
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.ledger import MARGIN_S, Entry, Ledger, Stage
from pmm_tui.venues.clob.limits import Limits
from pmm_tui.venues.clob.port import Clob, Limited, Piece, Silent, Standing, Trouble

EMPTY_APART_S = 0.25
PATIENCE_S = 2.0
"""Who wants a reading waits so long for it where the venue asked for a pause; a longer one is a failure, and known as one."""
UNDEAD_AFTER_NS = 2 * SECOND
RESTING = ("LIVE", "DELAYED", "UNMATCHED")
OVER = ("MATCHED", "CANCELED", "INVALID", "EXPIRED")
Read = TypeVar("Read")


class Account:
    """The account as readings show it. `tell` takes facts at once, so that none is lost where a later request of the same reading fails."""

    def __init__(
        self,
        clob: Clob,
        ledger: Ledger,
        knobs: ClobKnobs,
        limits: Limits,
        clock: Callable[[], Nanos],
        tell: Callable[[Iterable[Event]], None],
    ) -> None:
        self.aside = Cash(0)
        """What the wallet holds beyond what the desk may use."""
        self.tokens: dict[str, Market] = {}
        """Held or traded: whose balance is read."""
        self.doubted: dict[str, None] = {}
        """Tokens (empty: the collateral) whose cached balance the venue is asked to renew first."""
        self.undead: list[Entry] = []
        """Orders that the last reading showed open although they were believed over, or an earlier run's: to be cancelled."""
        self._clob = clob
        self._ledger = ledger
        self._knobs = knobs
        self._limits = limits
        self._clock = clock
        self._tell = tell

    async def ask(self, request: Callable[..., Awaitable[Read]], *given: object) -> Read:
        """One reading request, in its turn and within its time; raises a Trouble, and at once where the venue wants none for a while."""
        if (held_s := self._limits.held("reads", self._clock())) > PATIENCE_S:
            raise Limited(f"the venue wants no reading for {held_s:.0f} s", held_s)
        while (wait_s := self._limits.read(self._clock())) > 0:
            await asyncio.sleep(wait_s)
        try:
            async with asyncio.timeout(self._knobs.clob_read_timeout_s):
                return await request(*given)
        except Limited as slow:
            self._limits.limited("reads", slow.retry_after_s, self._clock())
            raise
        except TimeoutError:
            raise Silent(f"no answer within {self._knobs.clob_read_timeout_s:g} s") from None

    async def read(self, asked: Sequence[int], told: bool) -> None:
        """The whole account: new fills, the state of each live order and, where it is to be `told`, the account. Raises a Trouble."""
        ledger, began = self._ledger, self._clock()
        opens = await self.opens()
        self.undead += ledger.surfaced(opens.values(), began)
        self.hear(await self.ask(self._clob.trades, ledger.since_s(began)), channel=False)
        wanted = {entry.number: entry for entry in ledger.live()}
        wanted |= {number: entry for number in asked if (entry := ledger.entries.get(number)) is not None}
        rests = {entry.id: found for entry in wanted.values() if (found := await self._judge(entry, opens)) is not None}
        self._revive(opens, began)
        ledger.read_at = began
        if not told:
            return
        settled = ledger.settled
        cash, positions = await self.balances()
        if ledger.settled != settled:  # a trade settled while the balances were read: they may be of before it
            cash, positions = await self.balances()
        self._tell(ledger.again(asked, self._clock()))
        seen = [one for entry in wanted.values() if entry.number > 0 and (one := self._seen(entry, rests)) is not None]
        seen += [OrderSeen(number, "absent", Size(0)) for number in asked if ledger.is_absent(number)]
        external = ledger.external(opens.values())
        self._tell([AccountSeen(self._clock(), Cash(cash - self.aside), positions, tuple(seen), external)])

    async def opens(self) -> dict[str, Standing]:
        """The open orders by id. No orders are believed only when they are read twice."""
        found = {one.id.lower(): one for one in await self.ask(self._clob.open_orders)}
        if not found:
            await asyncio.sleep(EMPTY_APART_S)
            found = {one.id.lower(): one for one in await self.ask(self._clob.open_orders)}
        return found

    async def balances(self) -> tuple[Cash, tuple[tuple[str, Size], ...]]:
        """All cash, and the shares of every token held or traded."""
        for token in list(self.doubted):
            await self._renew(token)
        cash = await self.ask(self._clob.cash)
        tokens = list(self.tokens.items())
        shares = await asyncio.gather(*(self.ask(self._clob.shares, token, market) for token, market in tokens))
        busy = {told.piece.token for told in self._ledger.trades.values() if not told.ended}
        for (token, _), held in zip(tokens, shares, strict=True):
            if not held and token not in busy:
                self.tokens.pop(token, None)
        return cash, tuple(sorted((token, held) for (token, _), held in zip(tokens, shares, strict=True) if held))

    async def look(self, entries: Sequence[Entry], gone: Sequence[Entry] = ()) -> None:
        """What became of a few orders: their latest trades, then the orders themselves. Those in `gone` are known to rest no more."""
        since_s = max(0, self._clock() // SECOND - MARGIN_S)
        try:
            self.hear(await self.ask(self._clob.trades, since_s), channel=False)
        finally:
            for entry in gone:
                self._tell(self._ledger.over(entry, self._clock(), None, "cancelled"))
        for entry in entries:
            await self._judge(entry, None)

    def hear(self, pieces: Sequence[Piece], channel: bool) -> None:
        """Pieces of trades: told where they are new, and their tokens are of interest from now on."""
        settled = self._ledger.settled
        self._tell(self._ledger.hear(pieces, self._clock(), channel))
        for piece in pieces:
            told = self._ledger.trades.get((piece.trade, piece.order.lower()))
            market = self._ledger.markets.get(piece.market)
            if told is not None and told.number and market is not None:
                self.tokens.setdefault(piece.token, market)
        if self._ledger.settled != settled:
            self.doubted |= {"": None, **{piece.token: None for piece in pieces if piece.token in self.tokens}}

    async def _renew(self, token: str) -> None:
        self.doubted.pop(token, None)
        market = self.tokens.get(token)
        if token and market is None:
            return
        try:
            await self.ask(self._clob.refresh, token or None, market)
        except Trouble:
            # The cache stays as it is: the comparison with our own books is what judges it.
            return

    def _revive(self, opens: dict[str, Standing], began: Nanos) -> None:
        for id_ in opens:
            entry = self._ledger.find(id_)
            if entry is not None and entry.stage in (Stage.ENDED, Stage.NEVER) and began - entry.changed >= UNDEAD_AFTER_NS:
                self._ledger.revive(entry, began)
                self.undead.append(entry)

    async def _judge(self, entry: Entry, opens: dict[str, Standing] | None) -> Standing | None:
        """What this reading proves of one order; the order where it rests. None: the open orders were not read, only this one is asked."""
        if not entry.open:
            return None
        one = (opens or {}).get(entry.id)
        if one is None and not entry.whole and (opens is None or entry.stage is not Stage.POSTING):
            one = await self.ask(self._clob.order, entry.id)
        ledger, now = self._ledger, self._clock()
        if one is not None and one.status.startswith(RESTING):
            self._tell(ledger.booked(entry, now))
            return one
        if one is not None:
            if one.status.startswith(OVER):
                self._tell(ledger.over(entry, now, one.matched, one.status.lower().replace("_", " ")))
            return None
        if entry.stage in (Stage.BOOKED, Stage.SILENT):
            self._missing(entry, now)
        return None

    def _missing(self, entry: Entry, now: Nanos) -> None:
        """Neither rests it, nor does the venue know it: over or absent, once that is proven."""
        ledger, knobs = self._ledger, self._knobs
        if entry.whole:
            self._tell(ledger.over(entry, now, None, "matched"))
            return
        if not entry.missed:
            entry.missed = now
            return
        if now - entry.missed < knobs.clob_reads_apart_s * SECOND:
            return
        old = now - entry.changed >= knobs.clob_absent_after_s * SECOND
        if entry.stage is Stage.BOOKED and (entry.denied or old):
            self._tell(ledger.over(entry, now, None, "the account shows it no more"))
        elif entry.stage is Stage.SILENT and entry.denied >= entry.changed and old:
            self._tell(ledger.never(entry, now, "the venue never booked it"))

    def _seen(self, entry: Entry, rests: dict[str, Standing]) -> OrderSeen | None:
        """What the account says of one order, by all that is known when the reading is over."""
        if entry.stage is Stage.NEVER:
            return OrderSeen(entry.number, "absent", Size(0))
        if entry.stage is Stage.ENDED:
            return OrderSeen(entry.number, "done", max(entry.matched, entry.traded))
        one = rests.get(entry.id)
        return None if one is None else OrderSeen(entry.number, "open", max(entry.final(one.matched), entry.traded))
