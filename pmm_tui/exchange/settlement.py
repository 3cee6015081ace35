"""The chain behind the exchange: a local EVM node that gets the contracts and every mined trade as a real transaction."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Self

from eth_abi.abi import encode
from eth_hash.auto import keccak
from msgspec import Struct

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, Cash, Price, Size, gets, pays
from pmm_tui.exchange.contracts import POLYGON, Chain, artefacts
from pmm_tui.exchange.node import Anvil, Node, NoNode, NotSettled, call
from pmm_tui.exchange.terms import Fact, Listed, Resolved, Trade, TradeTold
from pmm_tui.exchange.wallets import EXCHANGES, UNLIMITED, Allowances

OPERATOR = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
"""The node's first account, which it unlocks by itself: nobody needs its key."""
WAITING_MAX = 10_000
STOCK = Size(100_000_000_000)
"""What the exchange's own participants are given at a time, shares or dollars (six decimals)."""
POL_USD = 25_000_000
"""The price of gas's coin on the local chain, dollars with eight decimals."""
NONE32 = b"\x00" * 32
_LEGS = "(address,uint256,uint256)[]"
_POSITION = ("address", "bytes32", "bytes32", "uint256[]")

_log = logging.getLogger(__name__)


class Settled(Struct, frozen=True):
    """What became of one trade on chain."""

    trade: str
    status: str
    """The exchange's status that was mirrored: MINED, or FAILED where a mined trade was undone."""
    tx: str = ""
    gas: int = 0
    """Units of gas."""
    error: str = ""
    """Why not, where the chain refused it."""


def address_of(wallet: str) -> str:
    """A wallet's address; a participant that goes by a name gets one of its own."""
    is_address = len(wallet) == 42 and wallet.startswith("0x")
    return wallet.lower() if is_address else "0x" + keccak(wallet.encode())[-20:].hex()


def legs_of(trade: Trade, market: Market) -> tuple[int, int, list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """Minted, merged, what is taken and what is given, each (address, token or 0 for pUSD, amount): the exchange's own sums."""
    taken, given = [], []
    parts = [(part.wallet, part.token, part.side, part.price, part.size, 0) for part in trade.parts]
    for wallet, token, side, price, size, fee in [(trade.wallet, trade.token, trade.side, trade.price, trade.size, int(trade.fee)), *parts]:
        who = address_of(wallet)
        if side is Side.BUY:
            taken.append((who, 0, pays(price, size) + fee))
            given.append((who, int(token), int(size)))
        else:
            taken.append((who, int(token), int(size)))
            given.append((who, 0, gets(price, size) - fee))
    paired = sum(int(part.size) for part in trade.parts if part.token == market.complement(trade.token))
    minted, merged = (paired, 0) if trade.side is Side.BUY else (0, paired)
    # Shares before dollars never matters; a leg of nothing only costs gas.
    return minted, merged, [leg for leg in taken if leg[2]], [leg for leg in given if leg[2]]


class Settlement:
    """The exchange's chain. `mirror` is told facts and returns at once; a task of its own brings them to the node, in order."""

    def __init__(
        self, url: str, chain: Chain = POLYGON, told: Callable[[Settled], None] = lambda settled: None, anvil: Anvil | None = None
    ) -> None:
        self.url = url
        self.chain = chain
        self.node = Node(url)
        self.lost = 0
        """Facts that found the queue full: the chain is behind for good."""
        self._told = told
        self._anvil = anvil
        self._markets: dict[str, Market] = {}
        self._stocked: set[str] = set()
        self._mined: set[str] = set()
        self._waiting: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(WAITING_MAX)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, url: str = "", chain: Chain = POLYGON, told: Callable[[Settled], None] = lambda settled: None
    ) -> Self:
        """On the node at `url`, or on one of our own; the contracts are put there. NoNode where there is none."""
        anvil = None if url else await Anvil.start(chain.chain_id)
        settlement = cls(url or (anvil.url if anvil else ""), chain, told, anvil)
        try:
            await settlement.deploy()
        except (NoNode, NotSettled) as failure:
            await settlement.close()
            raise NoNode(f"the contracts cannot be put on the node, which must be anvil: {failure}") from None
        settlement._task = asyncio.create_task(settlement._work())
        return settlement

    async def close(self) -> None:
        """Stop mirroring and end a node of our own."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.node.close()
        if self._anvil is not None:
            await self._anvil.stop()

    async def deploy(self) -> None:
        """Put every contract at its published address, unless it is there."""
        at = self.chain
        if int(await self.node.ask("eth_chainId"), 16) != at.chain_id:
            raise NoNode(f"it is another chain than {at.chain_id}")
        ramp = ("Ramp", ("address", "address"), (at.asset, at.pusd))
        split = ("address", "address", "address", "address", "address")
        adapter = ("Adapter", split, (at.asset, at.pusd, at.onramp, at.offramp, at.tokens))
        dollar = ("string", "string", "address[3]")
        minters = (at.onramp, at.offramp, OPERATOR)
        exchange = ("address", "address", "address", "address")
        plan = {
            at.asset: ("Dollar", dollar, ("USD Coin (PoS)", "USDC.e", minters)),
            at.pusd: ("Dollar", dollar, ("Polymarket USD", "pUSD", minters)),
            at.onramp: ramp,
            at.offramp: ramp,
            at.tokens: ("ConditionalTokens", ("address", "address"), (at.asset, OPERATOR)),
            at.position_manager: ("ConditionalTokens", ("address", "address"), (at.asset, OPERATOR)),
            at.adapter: adapter,
            at.neg_risk_adapter: adapter,
            at.exchange: ("Exchange", exchange, (OPERATOR, at.pusd, at.tokens, at.adapter)),
            at.neg_risk_exchange: ("Exchange", exchange, (OPERATOR, at.pusd, at.tokens, at.neg_risk_adapter)),
            at.exchange_v3: ("Exchange", exchange, (OPERATOR, at.pusd, at.position_manager, at.adapter)),
            at.pol_usd: ("PriceFeed", ("int256",), (POL_USD,)),
        }
        for address, (name, kinds, values) in plan.items():
            if await self.node.ask("eth_getCode", address, "latest") != "0x":
                continue
            code = artefacts().contracts[name].bytecode + encode(kinds, values).hex()
            runtime = await self.node.ask("eth_call", {"from": OPERATOR, "data": code}, "latest")
            await self.node.ask("anvil_setCode", address, runtime)

    # --- the exchange's side --------------------------------------------------------------------------------------------------------

    def mirror(self, fact: Fact) -> None:
        """Take a fact of the exchange to the chain, later: markets, results, and trades that are mined or undone. Returns at once."""
        if isinstance(fact, Listed):
            market = fact.market
            self._later(lambda: self.list_market(market))
        elif isinstance(fact, Resolved):
            name, payout = fact.market, fact.payout_yes
            self._later(lambda: self.resolve(name, payout))
        elif isinstance(fact, TradeTold) and fact.trade.status in ("MINED", "CONFIRMED", "FAILED"):
            trade, status = fact.trade, fact.trade.status
            self._later(lambda: self._settle_told(trade, status))

    def _later(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            self._waiting.put_nowait(act)
        except asyncio.QueueFull:
            self.lost += 1

    async def settled(self) -> None:
        """Return once everything told so far is on the chain or refused."""
        await self._waiting.join()

    async def _work(self) -> None:
        while True:
            act = await self._waiting.get()
            try:
                await act()
            except (NoNode, NotSettled) as failure:
                _log.warning("the chain refused what the exchange did: %s", failure)
            finally:
                self._waiting.task_done()

    async def _settle_told(self, trade: Trade, status: str) -> None:
        """One status of a trade: mined is settled, failed after mined is undone, confirmed can no longer fail."""
        if status == "MINED":
            settled = await self._tried(trade, status)
            if not settled.error:
                self._mined.add(trade.id)
            self._told(settled)
            return
        was_mined = trade.id in self._mined
        self._mined.discard(trade.id)
        if status == "FAILED" and was_mined:
            self._told(await self._tried(trade, status))

    async def _tried(self, trade: Trade, status: str) -> Settled:
        try:
            receipt = await self.settle(trade, undo=status == "FAILED")
        except (NoNode, NotSettled) as failure:
            return Settled(trade.id, status, error=str(failure))
        return Settled(trade.id, status, receipt["transactionHash"], int(receipt["gasUsed"], 16))

    # --- what happens on the chain --------------------------------------------------------------------------------------------------

    async def list_market(self, market: Market) -> None:
        """Register the token ids of a market; once is enough."""
        if market.id in self._markets:
            return
        kinds, ids = ("bytes32", "uint256", "uint256"), (int(market.yes), int(market.no))
        if await self.read(self._tokens(market), "positions", ("bytes32", "uint256"), bytes.fromhex(market.id[2:]), 0) == 0:
            await self.node.send(OPERATOR, self._tokens(market), call("register", kinds, bytes.fromhex(market.id[2:]), *ids))
        self._markets[market.id] = market

    async def resolve(self, market: str, payout_yes: Price) -> None:
        """Report what one YES share pays; from then on shares can be redeemed."""
        kinds = ("bytes32", "uint256", "uint256")
        told = call("resolve", kinds, bytes.fromhex(market[2:]), int(payout_yes), ONE - payout_yes)
        await self.node.send(OPERATOR, self._tokens(self._market(market)), told)

    async def settle(self, trade: Trade, undo: bool = False) -> dict[str, Any]:
        """Move the money and shares of one trade, or move them back; the receipt. NotSettled where the chain refuses."""
        market = self._market(trade.market)
        minted, merged, taken, given = legs_of(trade, market)
        if undo:
            minted, merged, taken, given = merged, minted, given, taken
        else:
            await self._stock(trade, market)
        kinds = ("bytes32", "uint256", "uint256", _LEGS, _LEGS)
        data = call("settle", kinds, bytes.fromhex(market.id[2:]), minted, merged, taken, given)
        return await self.node.send(OPERATOR, self._exchange(market), data)

    async def fund(self, wallet: str, cash: Cash, asset: int = 0, pol_wei: int = 10**20) -> None:
        """Give a wallet pUSD, the asset that pUSD is wrapped from, and at least this much of gas's coin."""
        who = address_of(wallet)
        held = int(await self.node.ask("eth_getBalance", who, "latest"), 16)
        await self.node.ask("anvil_setBalance", who, hex(max(held, pol_wei)))
        for dollar, amount in ((self.chain.pusd, cash), (self.chain.asset, asset)):
            if amount:
                await self.node.send(OPERATOR, dollar, call("mint", ("address", "uint256"), who, int(amount)))

    async def approve(self, wallet: str) -> None:
        """Give the exchanges and adapters every allowance in the name of one of the exchange's own participants."""
        at, who = self.chain, address_of(wallet)
        for spender in (at.exchange, at.neg_risk_exchange, at.adapter, at.neg_risk_adapter):
            await self.node.send(who, at.pusd, call("approve", ("address", "uint256"), spender, UNLIMITED))
            await self.node.send(who, at.tokens, call("setApprovalForAll", ("address", "bool"), spender, True))

    async def allowances(self, wallet: str) -> Allowances:
        """What each exchange may move of a wallet on the chain."""
        at, who, found = self.chain, address_of(wallet), Allowances()
        for spender in EXCHANGES:
            found["COLLATERAL", spender] = await self.read(at.pusd, "allowance", ("address", "address"), who, spender)
            for kind, tokens in (("CONDITIONAL", at.tokens), ("CONDITIONAL-V2", at.position_manager)):
                found[kind, spender] = UNLIMITED * await self.read(tokens, "isApprovedForAll", ("address", "address"), who, spender)
        return found

    async def split(self, wallet: str, market: str, size: Size) -> None:
        """A dollar becomes a share of each, in the wallet's own name."""
        await self._pair("splitPosition", wallet, self._market(market), size)

    async def merge(self, wallet: str, market: str, size: Size) -> None:
        """A share of each becomes a dollar, in the wallet's own name."""
        await self._pair("mergePositions", wallet, self._market(market), size)

    async def redeem(self, wallet: str, market: str) -> None:
        """The shares of a decided market become what they pay, in the wallet's own name."""
        decided = self._market(market)
        data = call("redeemPositions", _POSITION, self.chain.pusd, NONE32, bytes.fromhex(market[2:]), [1, 2])
        await self.node.send(address_of(wallet), self._adapter(decided), data)

    async def cash(self, wallet: str) -> Cash:
        """The pUSD of a wallet on the chain."""
        return Cash(await self.read(self.chain.pusd, "balanceOf", ("address",), address_of(wallet)))

    async def shares(self, wallet: str, token: str) -> Size:
        """The shares of a wallet on the chain."""
        return Size(await self.read(self.chain.tokens, "balanceOf", ("address", "uint256"), address_of(wallet), int(token)))

    async def read(self, to: str, name: str, kinds: tuple[str, ...], *values: Any) -> int:
        """What a view function that returns one number returns."""
        return int.from_bytes(await self.node.read(to, call(name, kinds, *values)), "big")

    async def _pair(self, name: str, wallet: str, market: Market, size: Size) -> None:
        kinds = (*_POSITION, "uint256")
        data = call(name, kinds, self.chain.pusd, NONE32, bytes.fromhex(market.id[2:]), [1, 2], int(size))
        await self.node.send(address_of(wallet), self._adapter(market), data)

    async def _stock(self, trade: Trade, market: Market) -> None:
        """The exchange's own participants, who post with no API key, never lack money or shares."""
        told = [(trade.owner, trade.wallet, trade.token, trade.side, trade.size)]
        told += [(part.owner, part.wallet, part.token, part.side, part.size) for part in trade.parts]
        for owner, wallet, token, side, size in told:
            if owner:
                continue
            if wallet not in self._stocked or await self.cash(wallet) < 2 * size:
                await self.fund(wallet, Cash(STOCK + 2 * size))
            if wallet not in self._stocked:
                await self.approve(wallet)
                self._stocked.add(wallet)
            if side is Side.SELL and await self.shares(wallet, token) < size:
                await self.fund(wallet, Cash(STOCK + size))
                await self._pair("splitPosition", wallet, market, Size(STOCK + size))

    def _market(self, market: str) -> Market:
        if market not in self._markets:
            raise NotSettled(f"the market {market} was not listed")
        return self._markets[market]

    def _tokens(self, market: Market) -> str:
        return self.chain.tokens if market.protocol == 2 else self.chain.position_manager

    def _exchange(self, market: Market) -> str:
        if market.protocol != 2:
            raise NotSettled("markets of Protocol V2 are not settled on the local chain")
        return self.chain.neg_risk_exchange if market.neg_risk else self.chain.exchange

    def _adapter(self, market: Market) -> str:
        return self.chain.neg_risk_adapter if market.neg_risk else self.chain.adapter
