"""The start of a run at the venue: nothing rests, what was under way is settled, and what the wallet holds is known."""

import asyncio
from collections.abc import Callable

from pmm_tui.core.market import Market
from pmm_tui.core.units import SECOND, Cash, Nanos, Size
from pmm_tui.venues.clob.account import Account
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.ledger import Ledger
from pmm_tui.venues.clob.links import Links
from pmm_tui.venues.clob.port import Clob, Trouble, Unauthorized
from pmm_tui.venues.clob.user_ws import KEY_REFUSED

PAUSE_S = 1.0
EMPTY_TRIES = 5
"""Orders that five cancel-alls leave are not of this key: they are external."""


class Opening:
    """The same for every start, whatever ended the last run. Tries until it works; the account link says why it does not yet."""

    def __init__(self, clob: Clob, ledger: Ledger, account: Account, links: Links, knobs: ClobKnobs, clock: Callable[[], Nanos]) -> None:
        self._clob = clob
        self._ledger = ledger
        self._account = account
        self._links = links
        self._knobs = knobs
        self._clock = clock

    async def start(self, capital: Cash) -> Cash:
        """Cancel all, see it gone, wait for settlements, read the cash. What the desk may use: `capital`, or all there is."""
        while True:
            try:
                await self._clear()
                await self._settle()
                cash = await self._account.ask(self._clob.cash)
            except Unauthorized:
                self._links.bar("venue", KEY_REFUSED)
            except Trouble as trouble:
                self._links.down("account", f"opening: {trouble.text}"[:120])
            else:
                self._account.aside = Cash(max(0, cash - capital))
                return Cash(cash - self._account.aside)
            await asyncio.sleep(PAUSE_S)

    async def held(self, token: str, market: Market) -> Size:
        """Shares of one token, asked until there is an answer."""
        while True:
            try:
                held = await self._account.ask(self._clob.shares, token, market)
            except Trouble:
                await asyncio.sleep(PAUSE_S)
            else:
                if held:
                    self._account.tokens[token] = market
                return held

    async def _clear(self) -> None:
        for _ in range(EMPTY_TRIES):
            await self._account.ask(self._clob.cancel_all)
            if not await self._account.opens():
                return
            await asyncio.sleep(PAUSE_S)

    async def _settle(self) -> None:
        """Trades of an earlier run are not this run's; their money is, once it came."""
        began = self._clock()
        since_s = self._ledger.begin(began)
        while self._ledger.opened(await self._account.ask(self._clob.trades, since_s), self._clock()):
            if self._clock() - began > self._knobs.clob_settle_wait_s * SECOND:
                return
            self._links.down("account", "opening: trades of an earlier run are not settled yet")
            await asyncio.sleep(PAUSE_S)
