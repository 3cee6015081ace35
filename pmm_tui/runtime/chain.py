"""What the chain says of a production desk's wallet, told to the desk at a pace; and pairs of shares made dollars there."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from eth_account.signers.local import LocalAccount
from msgspec import structs

from pmm_tui.core.events import Event, PairsMerged, WalletSeen
from pmm_tui.core.market import Market
from pmm_tui.core.units import SECOND, Cash, Nanos, Size
from pmm_tui.exchange.contracts import Chain
from pmm_tui.venues.clob.venue import ClobVenue
from pmm_tui.venues.clob.wallet import ChainTrouble, Unreachable, Wallet

CALM_S = 5.0
"""A node may be this far behind what the venue told: a reading waits so long after the last settlement."""
LOOK_S = 0.2
TOKENS_AT_ONCE = 200
LOUD_AFTER = 3
"""So many readings that fail in a row are more than a hiccup."""
Open = Callable[[Chain], Awaitable[Wallet]]

_log = logging.getLogger(__name__)


def opener(url: str, owner: str, account: LocalAccount) -> Open:
    """How a wallet is opened on a node, again where the node was away at first."""
    return partial(Wallet.open, url, owner, account)


class ChainFeed:
    """A feed that tells what the wallet holds on chain. `watch` names the venue whose markets, aside and settlements it goes by.

    A reading waits until nothing of the wallet's is on its way to the chain, and at most one interval longer: then the desk's bounds for
    what is unsettled have to do. A reading that fails proves nothing: it is logged, and the desk goes on by the venue's account.
    """

    def __init__(self, open_wallet: Open, chain: Chain, every_s: float, clock: Callable[[], Nanos], calm_s: float = CALM_S) -> None:
        self.gas = Cash(0)
        """What this run paid for its own transactions."""
        self._open = open_wallet
        # Both kinds of outcome tokens are ERC-1155 with one surface, so the second kind is the same wallet over another contract.
        self._chains = {2: chain, 3: structs.replace(chain, tokens=chain.position_manager)}
        self._wallets: dict[int, Wallet] = {}
        self._every_s = every_s
        self._clock = clock
        self._calm_s = calm_s
        self._venue: ClobVenue | None = None
        self._moved = (0, 0, Nanos(0))
        """Trades settled, markets listed, and when one of the two grew last."""
        self._failures = 0
        self._using = asyncio.Lock()
        self._closed = asyncio.Event()

    async def start(self) -> None:
        """See that the node is of the right chain: WrongChain where it is not. A node that does not answer now may do so later."""
        try:
            await self._wallet(2)
        except Unreachable as away:
            _log.warning("the chain cannot be asked yet: %s", away)

    def watch(self, venue: ClobVenue) -> None:
        """Go by this venue."""
        self._venue = venue

    async def events(self) -> AsyncIterator[Event]:
        """WalletSeen for every reading that worked, until closed."""
        while not await self._paused(self._every_s):
            waited = 0.0
            while not self._calm() and waited < self._every_s and not await self._paused(LOOK_S):
                waited += LOOK_S
            if (venue := self._venue) is None or venue.links.is_down("account") or venue.links.is_down("user"):
                continue  # what the desk has not heard of yet would look like a difference
            if (seen := await self._read(venue)) is not None:
                yield seen

    async def close(self) -> None:
        """End `events` and let go of the node."""
        self._closed.set()
        for wallet in self._wallets.values():
            await wallet.close()

    async def merge(self, market: Market, size: Size) -> PairsMerged:
        """Make this many pairs dollars; where that cannot be, nothing was merged, and the fact says why."""
        async with self._using:
            try:
                wallet = await self._wallet(2)
                mined = await wallet.send(wallet.merge(market, size))
            except ChainTrouble as failure:
                return PairsMerged(self._clock(), market.id, Size(0), reason=str(failure))
            finally:
                self._moved = (*self._moved[:2], self._clock())
        paid = mined.gas.usd or Cash(0)
        self.gas = Cash(self.gas + paid)
        if self._venue is not None:
            # The venue's cache of these balances is of before.
            self._venue.account.doubted |= dict.fromkeys(("", market.yes, market.no))
        return PairsMerged(self._clock(), market.id, size, gas=paid)

    async def _paused(self, seconds: float) -> bool:
        """Wait; whether the feed was closed meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return False
        return True

    def _calm(self) -> bool:
        """Whether nothing is on its way to the chain, and the last thing that was had its time."""
        if self._venue is None:
            return True
        ledger, now = self._venue.ledger, self._clock()
        # A market that was just listed may hold shares that the desk is only being told of.
        if (found := (ledger.settled, len(ledger.markets))) != self._moved[:2]:
            self._moved = (*found, now)
        on_the_way = any(not told.ended for told in ledger.trades.values())
        return not on_the_way and now - self._moved[2] >= self._calm_s * SECOND

    async def _read(self, venue: ClobVenue) -> WalletSeen | None:
        """One reading of dollars and shares; None where it failed or a trade settled meanwhile."""
        markets, settled = list(venue.ledger.markets.values()), venue.ledger.settled
        try:
            async with self._using:
                wallet = await self._wallet(2)
                cash = (await wallet.holdings()).pusd
                held = [one for protocol in self._chains for one in await self._shares(protocol, markets)]
        except ChainTrouble as failure:
            self._failed(failure)
            return None
        if self._failures >= LOUD_AFTER:
            _log.info("the chain answers again")
        self._failures = 0
        if venue.ledger.settled != settled:
            return None
        positions = tuple(sorted((token, size) for token, size in held if size))
        return WalletSeen(self._clock(), Cash(cash - venue.account.aside), positions, self.gas)

    async def _shares(self, protocol: int, markets: list[Market]) -> list[tuple[str, Size]]:
        """The shares of every token of the markets of one protocol."""
        tokens = [token for market in markets if market.protocol == protocol for token in (market.yes, market.no)]
        held: list[tuple[str, Size]] = []
        for first in range(0, len(tokens), TOKENS_AT_ONCE):
            wallet = await self._wallet(protocol)
            held += (await wallet.holdings(tokens[first : first + TOKENS_AT_ONCE])).shares
        return held

    async def _wallet(self, protocol: int) -> Wallet:
        wallet = self._wallets.get(protocol)
        if wallet is None:
            wallet = self._wallets[protocol] = await self._open(self._chains[protocol])
        return wallet

    def _failed(self, failure: ChainTrouble) -> None:
        self._failures += 1
        if self._failures == LOUD_AFTER:
            _log.error("the chain could not be read %d times in a row, quotes go on by the venue's account: %s", LOUD_AFTER, failure)
        else:
            _log.warning("the chain could not be read: %s", failure)
