"""`pmm-tui exchange`: Polymarket on loopback, with a tape's participants or a made-up crowd, until a signal ends it."""

import asyncio
import json
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
from msgspec import Struct

import pmm_tui
from pmm_tui.core.units import SECOND, Cash, Nanos, cash_of
from pmm_tui.exchange.auth import Keys
from pmm_tui.exchange.fault_file import read
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.node import NoNode
from pmm_tui.exchange.polymarket import Crowd, Polymarket
from pmm_tui.exchange.serve import Servers
from pmm_tui.exchange.settlement import Settlement
from pmm_tui.exchange.tape import TapeCrowd
from pmm_tui.exchange.traders import Agents
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.recorded import facts
from pmm_tui.record.tape import read_tape
from pmm_tui.runtime.behind import ChainBehind
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.places import CannotStart


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


class _Server(uvicorn.Server):
    """uvicorn inside our loop: the signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing."""
        yield


def run_exchange(wish: Wish) -> int:
    """Serve until SIGTERM or SIGINT. ValueError or OSError where it cannot be."""
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
    chain = await _open_chain() if wish.chain else None
    try:
        await _serve_on(wish, sock, clock, chain)
    finally:
        if chain is not None:
            await chain.close()


async def _open_chain() -> ChainBehind:
    try:
        return ChainBehind(await Settlement.open())
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
    venue = Polymarket(matching, Keys(secrets.token_bytes(16)), faults, grant=cash_of(wish.grant))
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
