"""A local EVM node: where its program is, how it is started and ended, and JSON-RPC to it."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any, Self

import httpx
from eth_abi.abi import encode
from eth_hash.auto import keccak

START_S = 20.0
STOP_S = 5.0
ASK_S = 30.0
GAS_MAX = 8_000_000


class NoNode(Exception):
    """There is no node to settle on; the text says what would do."""


class NotSettled(Exception):
    """The chain refused a transaction; the text is the contract's own reason."""


def find_anvil() -> Path:
    """The node's program: beside this Python, or on the PATH; NoNode with what would do."""
    beside = Path(sys.prefix) / "anvil" / "node_modules" / ".bin" / "anvil"
    if beside.exists():
        return beside
    if found := shutil.which("anvil"):
        return Path(found)
    raise NoNode(f"anvil was not found, neither at {beside} nor on the PATH: `make test` installs it where npm is there")


class Anvil:
    """A node of our own on a free loopback port, for as long as it is needed."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, drain: asyncio.Task[None]) -> None:
        self.url = url
        self._process = process
        self._drain = drain

    @classmethod
    async def start(cls, chain_id: int) -> Self:
        """Start it and wait until it listens; NoNode where it does not."""
        words = ("--host", "127.0.0.1", "--port", "0", "--chain-id", str(chain_id), "--accounts", "1", "--auto-impersonate")
        process = await asyncio.create_subprocess_exec(
            find_anvil(), *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        out = process.stdout
        if out is None:
            raise NoNode("anvil was started without its output")
        url, said = "", ""
        try:
            async with asyncio.timeout(START_S):
                while line := (await out.readline()).decode("utf-8", "replace"):
                    said = line.strip() or said
                    if line.startswith("Listening on "):
                        url = "http://" + line.split()[-1]
                        break
        except TimeoutError:
            said = f"it did not listen within {START_S:g} s"
        if not url:
            await _stop(process)
            raise NoNode(f"anvil did not start: {said[:200]}")
        return cls(process, url, asyncio.create_task(_drain(out)))

    async def stop(self) -> None:
        """End the node; what it held is gone."""
        await _stop(self._process)
        await self._drain


async def _drain(out: asyncio.StreamReader) -> None:
    while await out.read(65_536):
        continue


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


class Node:
    """JSON-RPC to a development node that lets anybody send in anybody's name."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=ASK_S, trust_env=False)
        self._count = 0

    async def close(self) -> None:
        """Let go of the connection."""
        await self._http.aclose()

    async def ask(self, method: str, *params: Any) -> Any:
        """One call's result; NotSettled with the node's message, NoNode where it does not answer."""
        self._count += 1
        try:
            response = await self._http.post("/", json={"jsonrpc": "2.0", "id": self._count, "method": method, "params": params})
            said = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as failure:
            raise NoNode(f"the node does not answer {method}: {type(failure).__name__}") from None
        if "error" in said:
            raise NotSettled(str(said["error"].get("message", said["error"])))
        return said["result"]

    async def read(self, to: str, call: bytes) -> bytes:
        """What a view function returns."""
        return bytes.fromhex((await self.ask("eth_call", {"to": to, "data": "0x" + call.hex()}, "latest"))[2:])

    async def send(self, sender: str, to: str, call: bytes) -> dict[str, Any]:
        """A mined transaction's receipt; NotSettled with the contract's reason where it was refused."""
        asked = {"from": sender, "to": to, "data": "0x" + call.hex(), "gas": hex(GAS_MAX)}
        tx = await self.ask("eth_sendTransaction", asked)
        receipt: dict[str, Any] | None = None
        try:
            async with asyncio.timeout(ASK_S):
                while receipt is None:  # a node that mines at once answers the first time
                    receipt = await self.ask("eth_getTransactionReceipt", tx)
        except TimeoutError:
            raise NoNode(f"the node did not mine {tx} within {ASK_S:g} s") from None
        if receipt["status"] != "0x1":
            await self.ask("eth_call", asked, "latest")  # refused again, this time with its reason
            raise NotSettled("refused, for a reason that has gone")
        return receipt


def call(name: str, kinds: tuple[str, ...] = (), *values: Any) -> bytes:
    """A call's data: the function, its argument types, and the arguments."""
    return keccak(f"{name}({','.join(kinds)})".encode())[:4] + encode(kinds, values)
