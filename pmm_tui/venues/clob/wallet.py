"""The wallet on the chain: what it holds and allows, what gas costs, and the few transactions that an account sends for itself."""

import asyncio
import warnings
from collections.abc import Awaitable, Sequence
from typing import Any, Self, TypeVar

import aiohttp
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from msgspec import Struct

from pmm_tui.core.market import Market
from pmm_tui.core.units import Cash, Size
from pmm_tui.exchange.contracts import POLYGON, Chain, artefacts

with warnings.catch_warnings():
    # web3 loads a deprecated half of websockets for a provider that is not used here.
    warnings.simplefilter("ignore", DeprecationWarning)
    from web3 import AsyncHTTPProvider, AsyncWeb3, Web3
    from web3.exceptions import ContractLogicError, TimeExhausted, TransactionNotFound, Web3Exception, Web3RPCError
    from web3.types import TxParams, TxReceipt

UNLIMITED = 2**256 - 1
ENOUGH = 2**128
"""An allowance from here on needs no renewal."""
ASK_S = 15.0
MINED_S = 180.0
POLL_S = 0.2
SPARE = 1.25
"""Gas allowed over the estimate: the state may change before the transaction is mined."""
GAS_PRICE_MAX = 5_000 * 10**9
"""Wei a unit. Dearer than this is a broken node or a chain to wait for; the account is not emptied into it."""
FEED_AGE_S = 86_400
T = TypeVar("T")
_WEI = 10**18
_ROUND = "(uint80,int256,uint256,uint256,uint80)"
_NONE32 = b"\x00" * 32


class ChainTrouble(Exception):
    """What the chain would not do. The text is safe to show: it never holds the node's URL."""


class Unreachable(ChainTrouble):
    """The node did not answer, or not in time."""


class WrongChain(ChainTrouble):
    """The node is of another chain."""


class Reverted(ChainTrouble):
    """A contract refused; the text is its reason."""


class NoGas(ChainTrouble):
    """The account has not enough of gas's coin, or gas is dearer than GAS_PRICE_MAX."""


class NotMined(ChainTrouble):
    """Sent, and not mined in time: it may still be. `tx` is its hash."""

    def __init__(self, tx: str) -> None:
        super().__init__(f"{tx} was sent and not mined within {MINED_S:g} s; it may still be")
        self.tx = tx


class NotOurs(ChainTrouble):
    """This wallet's transactions are not sent by this account, or this market's not by this program."""


class Step(Struct, frozen=True):
    """One transaction to be sent."""

    what: str
    to: str
    data: str


class Gas(Struct, frozen=True):
    """What a transaction costs: units, wei, and micro-dollars where the chain knows the coin's price (None: it does not)."""

    units: int
    wei: int
    usd: Cash | None


class Mined(Struct, frozen=True):
    """A transaction that was mined and did what it should."""

    tx: str
    block: int
    gas: Gas


class Allowance(Struct, frozen=True):
    """What a spender may move of the wallet: dollars by amount, outcome tokens all or nothing."""

    token: str
    spender: str
    spender_address: str
    token_address: str
    amount: int
    """Micro-dollars; for outcome tokens 0 or UNLIMITED."""

    @property
    def given(self) -> bool:
        """Whether it needs no renewal."""
        return self.amount >= ENOUGH


class Holdings(Struct, frozen=True):
    """What a wallet holds."""

    pusd: Cash
    asset: Cash
    """USDC.e that was not wrapped."""
    pol_wei: int
    """The coin of gas, of the account that sends."""
    shares: tuple[tuple[str, Size], ...] = ()


class Wallet:
    """One wallet through a node. Reading needs no key; an EOA sends for itself, every other kind of wallet through the venue's relayer."""

    def __init__(self, url: str, owner: str, account: LocalAccount | None = None, chain: Chain = POLYGON, mined_s: float = MINED_S) -> None:
        self.owner = Web3.to_checksum_address(owner)
        self.chain = chain
        self._account = account
        self._mined_s = mined_s
        self._provider = AsyncHTTPProvider(url, {"timeout": aiohttp.ClientTimeout(total=ASK_S)}, exception_retry_configuration=None)
        self._w3 = AsyncWeb3(self._provider)
        self._sending = asyncio.Lock()
        shipped = artefacts().contracts
        self._dollar = self._w3.eth.contract(abi=shipped["Dollar"].abi)
        self._tokens = self._w3.eth.contract(abi=shipped["ConditionalTokens"].abi)
        self._adapter = self._w3.eth.contract(abi=shipped["Adapter"].abi)
        self._ramp = self._w3.eth.contract(abi=shipped["Ramp"].abi)
        self._feed = self._w3.eth.contract(abi=shipped["PriceFeed"].abi)

    @classmethod
    async def open(
        cls, url: str, owner: str, account: LocalAccount | None = None, chain: Chain = POLYGON, mined_s: float = MINED_S
    ) -> Self:
        """A wallet whose node answers and is of the right chain; Unreachable or WrongChain otherwise."""
        wallet = cls(url, owner, account, chain, mined_s)
        try:
            found = await wallet._asked(wallet._w3.eth.chain_id)
        except ChainTrouble:
            await wallet.close()
            raise
        if found != chain.chain_id:
            await wallet.close()
            raise WrongChain(f"the node is of chain {found}; orders are signed for {chain.chain_id}")
        return wallet

    async def close(self) -> None:
        """Let go of the node."""
        await self._provider.disconnect()

    # --- reading --------------------------------------------------------------------------------------------------------------------

    async def holdings(self, tokens: Sequence[str] = ()) -> Holdings:
        """Dollars, gas, and the shares of these tokens."""
        sender = self._account.address if self._account is not None else self.owner
        pusd = await self._read(self._dollar, self.chain.pusd, "balanceOf", "uint256", self.owner)
        asset = await self._read(self._dollar, self.chain.asset, "balanceOf", "uint256", self.owner)
        pol = await self._asked(self._w3.eth.get_balance(sender))
        held: list[int] = []
        if tokens:
            owners, ids = [self.owner] * len(tokens), [int(token) for token in tokens]
            held = await self._read(self._tokens, self.chain.tokens, "balanceOfBatch", "uint256[]", owners, ids)
        return Holdings(Cash(pusd), Cash(asset), pol, tuple((token, Size(size)) for token, size in zip(tokens, held, strict=True)))

    async def allowances(self) -> list[Allowance]:
        """Every allowance that trading, splitting, merging and redeeming need, as the chain has it."""
        # One after the other: a dozen calls made ready at once would hold the loop.
        return [await self._allowance(*each) for each in self._wanted()]

    def _wanted(self) -> list[tuple[str, str, str, str]]:
        at = self.chain
        exchanges = [("exchange", at.exchange), ("neg-risk exchange", at.neg_risk_exchange)]
        adapters = [("adapter", at.adapter), ("neg-risk adapter", at.neg_risk_adapter)]
        third = [("exchange v3", at.exchange_v3), ("router", at.router)]
        dollars = [("pUSD", at.pusd, *spender) for spender in exchanges + adapters + third]
        tokens = [("outcome tokens", at.tokens, *spender) for spender in exchanges + adapters]
        return dollars + tokens + [("positions v2", at.position_manager, *spender) for spender in third]

    async def _allowance(self, token: str, token_address: str, spender: str, address: str) -> Allowance:
        if token == "pUSD":
            amount: int = await self._read(self._dollar, token_address, "allowance", "uint256", self.owner, address)
        else:
            approved = await self._read(self._tokens, token_address, "isApprovedForAll", "bool", self.owner, address)
            amount = UNLIMITED if approved else 0
        return Allowance(token, spender, address, token_address, amount)

    async def pol_usd(self) -> float | None:
        """What one coin of gas costs in dollars by the chain's own feed; None where there is no feed or it is old."""
        if not await self._asked(self._w3.eth.get_code(Web3.to_checksum_address(self.chain.pol_usd))):
            return None
        _, answer, _, updated, _ = await self._read(self._feed, self.chain.pol_usd, "latestRoundData", _ROUND)
        now = (await self._asked(self._w3.eth.get_block("latest")))["timestamp"]
        return answer / 10**8 if answer > 0 and now - updated < FEED_AGE_S else None

    # --- what may be sent -----------------------------------------------------------------------------------------------------------

    def approve(self, allowance: Allowance) -> Step:
        """Give an allowance without end."""
        if allowance.token == "pUSD":
            data = self._dollar.encode_abi("approve", [allowance.spender_address, UNLIMITED])
        else:
            data = self._tokens.encode_abi("setApprovalForAll", [allowance.spender_address, True])
        return Step(f"let the {allowance.spender} move {allowance.token}", allowance.token_address, data)

    def wrap(self, amount: Cash) -> list[Step]:
        """USDC.e becomes pUSD: the onramp is allowed this amount, no more, and takes it."""
        at = self.chain
        allowed = Step("let the onramp take USDC.e", at.asset, self._dollar.encode_abi("approve", [at.onramp, int(amount)]))
        return [allowed, Step("wrap USDC.e", at.onramp, self._ramp.encode_abi("wrap", [at.asset, self.owner, int(amount)]))]

    def unwrap(self, amount: Cash) -> list[Step]:
        """pUSD becomes USDC.e again."""
        at = self.chain
        allowed = Step("let the offramp take pUSD", at.pusd, self._dollar.encode_abi("approve", [at.offramp, int(amount)]))
        return [allowed, Step("unwrap pUSD", at.offramp, self._ramp.encode_abi("unwrap", [at.asset, self.owner, int(amount)]))]

    def split(self, market: Market, size: Size) -> Step:
        """Dollars become as many shares of each outcome."""
        return self._position("splitPosition", market, [int(size)])

    def merge(self, market: Market, size: Size) -> Step:
        """As many shares of each outcome become dollars."""
        return self._position("mergePositions", market, [int(size)])

    def redeem(self, market: Market) -> Step:
        """All shares of a decided market become what they pay."""
        return self._position("redeemPositions", market, [])

    def _position(self, name: str, market: Market, amount: list[int]) -> Step:
        if market.protocol != 2:
            raise NotOurs("a market of Protocol V2 is split, merged and redeemed by its router, which this program does not use")
        to = self.chain.neg_risk_adapter if market.neg_risk else self.chain.adapter
        data = self._adapter.encode_abi(name, [self.chain.pusd, _NONE32, HexBytes(market.id), [1, 2], *amount])
        return Step(f"{name.removesuffix('Positions').removesuffix('Position')} {market.slug}", to, data)

    # --- sending --------------------------------------------------------------------------------------------------------------------

    async def estimate(self, step: Step) -> Gas:
        """What a transaction would cost now; Reverted where it would be refused."""
        units, (most, _), price = await asyncio.gather(self._units(step), self._fees(), self.pol_usd())
        return _gas(units, units * most, price)

    async def send(self, step: Step) -> Mined:
        """Sign, send, and wait until it is mined; a ChainTrouble says what went wrong, and NotMined that nobody knows yet."""
        account = self._signer()
        async with self._sending:  # a nonce is used once
            units, (most, tip), nonce = await asyncio.gather(
                self._units(step), self._fees(), self._asked(self._w3.eth.get_transaction_count(account.address, "pending"))
            )
            tx: dict[str, Any] = {
                "chainId": self.chain.chain_id, "nonce": nonce, "to": Web3.to_checksum_address(step.to), "data": HexBytes(step.data),
                "value": 0, "gas": int(units * SPARE), "maxFeePerGas": most, "maxPriorityFeePerGas": tip, "type": 2,
            }  # fmt: skip
            # Signing takes milliseconds where the curve is not native.
            signed = await asyncio.to_thread(account.sign_transaction, tx)
            sent = "0x" + bytes(signed.hash).hex()
            try:
                await self._asked(self._w3.eth.send_raw_transaction(signed.raw_transaction))
            except Unreachable:
                await self._sent_after_all(signed.hash, sent)
        receipt = await self._mined(signed.hash, sent)
        if not receipt["status"]:
            raise Reverted(f"{step.what}: {sent} was mined and refused")
        wei = receipt["gasUsed"] * receipt["effectiveGasPrice"]
        return Mined(sent, receipt["blockNumber"], _gas(receipt["gasUsed"], wei, await self.pol_usd()))

    def _signer(self) -> LocalAccount:
        if self._account is None:
            raise NotOurs("there is no key here")
        if self._account.address != self.owner:
            raise NotOurs(f"{self.owner} is not the key's own account: the venue's relayer sends for it")
        return self._account

    async def _sent_after_all(self, key: HexBytes, sent: str) -> None:
        """The node's answer was lost: whether it has the transaction decides, and where it cannot say so, nobody knows."""
        try:
            await self._asked(self._w3.eth.get_transaction(key))
        except (TransactionNotFound, Unreachable):
            raise NotMined(sent) from None

    async def _mined(self, key: HexBytes, sent: str) -> TxReceipt:
        try:
            return await self._asked(self._w3.eth.wait_for_transaction_receipt(key, timeout=self._mined_s, poll_latency=POLL_S))
        except (TimeExhausted, Unreachable):
            raise NotMined(sent) from None

    async def _units(self, step: Step) -> int:
        tx: TxParams = {"from": self.owner, "to": Web3.to_checksum_address(step.to), "data": HexBytes(step.data)}
        return await self._asked(self._w3.eth.estimate_gas(tx))

    async def _fees(self) -> tuple[int, int]:
        """The most to pay for a unit of gas, and the tip in it, wei: twice the base fee outlives six full blocks."""
        block, tip = await asyncio.gather(self._asked(self._w3.eth.get_block("latest")), self._asked(self._w3.eth.max_priority_fee))
        most = 2 * block["baseFeePerGas"] + tip
        if most > GAS_PRICE_MAX:
            raise NoGas(f"gas costs {most / 10**9:.0f} gwei; at most {GAS_PRICE_MAX // 10**9} is paid")
        return most, tip

    async def _read(self, contract: Any, address: str, name: str, kind: str, *arguments: Any) -> Any:
        """What a view function returns; Unreachable where there is no such contract."""
        tx: TxParams = {"to": Web3.to_checksum_address(address), "data": contract.encode_abi(name, list(arguments))}
        said = await self._asked(self._w3.eth.call(tx))
        try:
            return decode([kind], bytes(said))[0]
        except DecodingError:
            raise Unreachable(f"the node knows no contract with {name} at {address}") from None

    async def _asked(self, answer: Awaitable[T]) -> T:
        """What the node answers, or what went wrong in our words: its own could hold its URL."""
        try:
            return await answer
        except ContractLogicError as refused:
            raise Reverted((refused.message or "without a reason").removeprefix("execution reverted: ")) from None
        except Web3RPCError as refused:
            said = str((refused.rpc_response or {}).get("error", {}).get("message", "")) if refused.rpc_response else ""
            if "insufficient funds" in said.lower():
                raise NoGas("the account has not enough POL for gas") from None
            raise Unreachable(f"the node refused: {said[:200] or 'without a reason'}") from None
        except (TransactionNotFound, TimeExhausted):
            raise
        except (aiohttp.ClientError, OSError, TimeoutError, Web3Exception, ValueError) as failure:
            raise Unreachable(f"the node does not answer: {type(failure).__name__}") from None


def _gas(units: int, wei: int, pol_usd: float | None) -> Gas:
    return Gas(units, wei, None if pol_usd is None else Cash(round(wei / _WEI * pol_usd * 1_000_000)))
