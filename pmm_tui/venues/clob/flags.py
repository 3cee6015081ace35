"""Which contract a market's orders are signed for: the CLOB and Gamma must say the same before an order leaves."""

import asyncio
from collections.abc import Awaitable, Callable

from pmm_tui.core.market import Market
from pmm_tui.venues.clob.port import Trouble

RETRY_S = 1.0
AGAIN_S = 30.0


class Flags:
    """The neg-risk flags of the listed markets, compared."""

    def __init__(self, theirs: Callable[[str], Awaitable[bool]], told: Callable[[], None]) -> None:
        """theirs: asks the CLOB for the flag of a token. told: called once a market's is known."""
        self._theirs = theirs
        self._told = told
        self._known: dict[str, bool] = {}
        """By market, what Gamma says."""
        self._why: dict[str, str | None] = {}

    def heard(self, market: Market) -> None:
        """Gamma lists a market: where its flag is news it is to be compared."""
        if self._known.get(market.id) is not market.neg_risk:
            self._known[market.id], self._why[market.id] = market.neg_risk, None

    def stands(self, market: str) -> str | None:
        """Empty: both agree. Text: they do not. None: it is not known yet."""
        return self._why.get(market)

    async def agree(self, market: Market) -> None:
        """Ask until both agree; a market where they do not is asked about again and again."""
        while self._why.get(market.id) != "":
            try:
                theirs = await self._theirs(market.yes)
            except Trouble:
                await asyncio.sleep(RETRY_S)
                continue
            ours = self._known.get(market.id, market.neg_risk)
            self._why[market.id] = "" if theirs is ours else f"neg-risk is {str(theirs).lower()} at the CLOB, {str(ours).lower()} at Gamma"
            self._told()
            if theirs is not ours:
                await asyncio.sleep(AGAIN_S)
