"""`pmm-tui exchange`: Polymarket on loopback, with a tape's participants or a made-up crowd, until a signal ends it."""

import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import uvicorn
from eth_hash.auto import keccak
from msgspec import Struct, ValidationError, convert

import pmm_tui
from pmm_tui.core.units import SECOND, Cash, Nanos, Size, cash_of
from pmm_tui.exchange.auth import Keys
from pmm_tui.exchange.fault_file import read
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.habits import Habits
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.node import NoNode, NotSettled
from pmm_tui.exchange.polymarket import Crowd, Polymarket
from pmm_tui.exchange.serve import Servers
from pmm_tui.exchange.settlement import OPERATOR, Settlement
from pmm_tui.exchange.tape import TapeCrowd
from pmm_tui.exchange.terms import Fact, Listed, Resolved, TradeTold
from pmm_tui.exchange.traders import Agents
from pmm_tui.exchange.wallets import UNLIMITED
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.recorded import facts
from pmm_tui.record.tape import read_tape
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.signals import watch_owner

WAITING_MAX = 10_000
WATCH_S = 0.2
ORPHAN_S = 3.0
"""A desk whose owner is gone, too, may cancel its orders here."""
_TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()
_APPROVAL = "0x" + keccak(b"Approval(address,address,uint256)").hex()
_APPROVAL_FOR_ALL = "0x" + keccak(b"ApprovalForAll(address,address,bool)").hex()
_TRANSFER_SINGLE = "0x" + keccak(b"TransferSingle(address,address,address,uint256,uint256)").hex()

_log = logging.getLogger(__name__)


class Wish(Struct, frozen=True):
    """What the command line asks for."""

    port: int
    tape: str
    seed: int
    speed: float
    start_at_s: float
    faults: Path | None
    fund: tuple[str, ...]
    grant: str
    """Dollars that a wallet gets with its first key."""
    chain: bool = False
    """A local EVM node settles what is traded."""
    limits: str = "off"
    """Whether the venue's rate limits are counted, told, or enforced."""
    owned: bool = False
    """It ends soon after the process that started it, which holds its standard input open."""
    bare: bool = False
    """On the node a wallet has money and gives no allowance: its owner does."""


class _Server(uvicorn.Server):
    """uvicorn inside our loop: the signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing."""
        yield


class ChainBehind:
    """The chain behind the exchange: what the exchange does goes there in order, and what happens there otherwise comes back.

    A wallet is funded and gives its allowances before any trade of its reaches the chain: it is one that was set up. `bare`: it is funded
    only, and nothing of it can be traded until its owner allows it. From then on its allowances are those of the chain.
    """

    def __init__(self, settlement: Settlement, bare: bool = False) -> None:
        self.url = settlement.url
        self._settlement = settlement
        self._bare = bare
        self._wallets: set[str] = set()
        self._ready: set[str] = set()
        """Those whose setting up is on the chain."""
        self._waiting: asyncio.Queue[Fact | tuple[str, Cash]] = asyncio.Queue(WAITING_MAX)
        self._block = 0

    def follow(self, venue: Polymarket) -> None:
        """Mirror this exchange from now on."""
        self._matching = venue.matching
        venue.mirror, venue.granted = self._told, self.fund

    def fund(self, wallet: str, cash: Cash) -> None:
        """Give a wallet on chain what the exchange gave it, gas, and its allowances."""
        self._wallets.add(wallet)
        if self._bare and wallet not in self._ready:
            self._matching.wallet(wallet).allowed = {}
        self._later((wallet, cash))

    async def run(self) -> None:
        """Both ways, until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._there())
            both.create_task(self._back())

    async def reached(self) -> None:
        """Return once everything told so far is on the chain, or refused there."""
        await self._waiting.join()
        await self._settlement.settled()

    async def close(self) -> None:
        """End the chain."""
        await self._settlement.close()

    async def moves(self) -> None:
        """Bring back what others than the exchange did on chain since the last time: wrapped, split, merged, redeemed, sent, allowed."""
        node = self._settlement.node
        newest = int(await node.ask("eth_blockNumber"), 16)
        if newest == self._block:
            return
        allowing = {wallet for wallet in self._ready if self._running_down(wallet)}
        for number in range(self._block + 1, newest + 1):
            block = await node.ask("eth_getBlockByNumber", hex(number), True)
            for sent in block["transactions"]:
                if sent["from"].lower() != OPERATOR.lower():
                    receipt = await node.ask("eth_getTransactionReceipt", sent["hash"])
                    allowing |= {wallet for entry in receipt["logs"] if (wallet := self._move(entry))}
            self._block = number
        for wallet in allowing & self._ready:
            await self._look(wallet)

    def _told(self, fact: Fact) -> None:
        if isinstance(fact, Listed | Resolved | TradeTold):
            self._later(fact)

    def _later(self, what: Fact | tuple[str, Cash]) -> None:
        try:
            self._waiting.put_nowait(what)
        except asyncio.QueueFull:
            _log.error("the chain is behind for good: more than %d things wait for it", WAITING_MAX)

    async def _look(self, wallet: str) -> None:
        """What a wallet allows, from now on."""
        self._matching.wallet(wallet).allowed = await self._settlement.allowances(wallet)

    def _running_down(self, wallet: str) -> bool:
        """Whether it allowed a sum, which each trade makes smaller."""
        return any(0 < left < UNLIMITED for left in (self._matching.wallet(wallet).allowed or {}).values())

    async def _there(self) -> None:
        while True:
            what = await self._waiting.get()
            try:
                if isinstance(what, Fact):
                    self._settlement.mirror(what)
                else:
                    await self._settlement.fund(*what)
                    if not self._bare:
                        await self._settlement.approve(what[0])
                    self._ready.add(what[0])
                    await self._look(what[0])
            except (NoNode, NotSettled) as failure:
                _log.warning("a wallet was not funded on the chain: %s", failure)
            finally:
                self._waiting.task_done()

    async def _back(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                await self.moves()
            except (NoNode, NotSettled) as failure:
                _log.warning("the chain cannot be watched: %s", failure)

    def _move(self, entry: dict[str, Any]) -> str:
        """One log: dollars or shares that a wallet gave or got; the wallet that allowed something."""
        at, address, data = self._settlement.chain, entry["address"].lower(), entry["data"]
        if entry["topics"][0] in (_APPROVAL, _APPROVAL_FOR_ALL):
            return f"0x{entry['topics'][1][-40:]}"
        if entry["topics"][0] == _TRANSFER and address == at.pusd.lower():
            token, amount = "", int(data, 16)
        elif entry["topics"][0] == _TRANSFER_SINGLE and address == at.tokens.lower():
            token, amount = str(int(data[2:66], 16)), int(data[66:], 16)
        else:
            return ""
        for topic, sign in ((entry["topics"][-2], -1), (entry["topics"][-1], 1)):
            wallet = "0x" + topic[-40:]
            if wallet in self._wallets and token:
                self._matching.give(wallet, token, Size(sign * amount))
            elif wallet in self._wallets:
                self._matching.deposit(wallet, Cash(sign * amount))
        return ""


def run_exchange(wish: Wish) -> int:
    """Serve until SIGTERM or SIGINT. ValueError or OSError where it cannot be."""
    if wish.bare and not wish.chain:
        raise CannotStart("--bare: allowances are given on a chain: give --chain, too")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", wish.port))
        sock.listen(1_024)  # whoever reads the port may connect at once
        asyncio.run(_serve(wish, sock))
    finally:
        sock.close()
    return 0


async def _serve(wish: Wish, sock: socket.socket) -> None:
    clock = Clock()
    chain = await _open_chain(wish.bare) if wish.chain else None
    try:
        await _serve_on(wish, sock, clock, chain)
    finally:
        if chain is not None:
            await chain.close()


async def _open_chain(bare: bool) -> ChainBehind:
    try:
        return ChainBehind(await Settlement.open(), bare)
    except NoNode as none:
        raise CannotStart(f"--chain: {none}") from None


async def _serve_on(wish: Wish, sock: socket.socket, clock: Clock, chain: ChainBehind | None) -> None:
    venue = open_exchange(wish, clock(), chain)
    servers = Servers(venue, clock)
    config = uvicorn.Config(
        servers.app, log_config=None, access_log=False, lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))

    def orphaned() -> None:
        loop.call_later(ORPHAN_S, setattr, server, "should_exit", True)

    if wish.owned:
        watch_owner(orphaned)
    markets = [pit.market.slug for pit in venue.matching.markets.values()]
    told: dict[str, Any] = {"port": sock.getsockname()[1], "pid": os.getpid(), "markets": markets}
    tasks = [
        loop.create_task(servers.run(), name="the exchange's time"),
        loop.create_task(server.serve(sockets=[sock]), name="the servers"),
    ]
    if chain is not None:
        told["rpc"] = chain.url
        tasks.append(loop.create_task(chain.run(), name="the chain"))
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        server.should_exit = True
        for task in tasks:
            if task.get_name() != "the servers":
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def open_exchange(wish: Wish, now: Nanos, chain: ChainBehind | None = None) -> Polymarket:
    """The venue with its participants, at this time. ValueError where something that was asked for cannot be read."""
    chance = Random(wish.seed)  # noqa: S311 - an exchange is to be repeated, not to be secret
    matching = Matching(chance)
    script = read(wish.faults) if wish.faults is not None else None
    faults = Faults(script, Random(script.seed), now) if script is not None else Faults()  # noqa: S311 - the same
    try:
        habits = convert({"limits": wish.limits}, Habits)
    except ValidationError:
        raise CannotStart(f"--limits: found {wish.limits[:20]!r}; allowed: off, warn, on") from None
    venue = Polymarket(matching, Keys(secrets.token_bytes(16)), faults, grant=cash_of(wish.grant), habits=habits)
    if chain is not None:
        chain.follow(venue)
    for wallet, cash in map(_funded, wish.fund):
        matching.deposit(wallet, cash)
        if chain is not None:
            chain.fund(wallet, cash)
    start = Nanos(now - int(wish.start_at_s * SECOND))
    crowd: Crowd
    if wish.tape:
        path = Path(pmm_tui.__file__).resolve().parent / "data" / "demo.tape.zst" if wish.tape == "demo" else Path(wish.tape)
        if not path.is_file():
            raise CannotStart(f"--tape: found {wish.tape!r}, which is no file; allowed: demo, or the path of a tape")
        crowd = TapeCrowd(facts(read_tape(path), Decoder()), matching, start, wish.speed)
    else:
        crowd = Agents(matching, chance, now)
    venue.join(crowd, now)
    return venue


def _funded(text: str) -> tuple[str, Cash]:
    wallet, equals, dollars = text.partition("=")
    if not equals or not wallet.startswith("0x") or len(wallet) != 42:
        raise CannotStart(f"--fund: found {text[:60]!r}; allowed: ADDRESS=DOLLARS")
    return wallet.lower(), cash_of(dollars)
