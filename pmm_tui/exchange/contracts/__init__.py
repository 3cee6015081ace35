"""The contracts of the chain: Polygon's published addresses, and the compiled stand-ins that a local node gets at the same addresses."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct


class Chain(Struct, frozen=True):
    """Where everything is. The defaults are Polygon's published values; a local node has the stand-ins at the same addresses."""

    chain_id: int = 137
    pusd: str = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
    asset: str = "0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"
    """USDC.e: what pUSD is wrapped from."""
    tokens: str = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
    """Conditional Tokens, ERC-1155."""
    position_manager: str = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
    """ERC-1155 of Protocol V2 markets."""
    exchange: str = "0xE111180000d2663C0091e4f400237545B87B996B"
    neg_risk_exchange: str = "0xe2222d279d744050d28e00520010520000310F59"
    exchange_v3: str = "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"
    adapter: str = "0xAdA100Db00Ca00073811820692005400218FcE1f"
    """Split, merge and redeem in pUSD."""
    neg_risk_adapter: str = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
    router: str = "0x12121212006e4CD160D18e3f00711DA5c3372600"
    """Split, merge and redeem of Protocol V2 markets."""
    onramp: str = "0x93070a847efEf7F70739046A929D47a521F5B8ee"
    offramp: str = "0x2957922Eb93258b93368531d39fAcCA3B4dC5854"
    pol_usd: str = "0xAB594600376Ec9fD91F8e885dADF0CE036862dE0"
    """Chainlink's feed of what POL, the coin of gas, costs in dollars."""


POLYGON = Chain()


class Artefact(Struct, frozen=True):
    """One compiled contract."""

    abi: list[dict[str, Any]]
    bytecode: str
    """Deployment code, 0x and hex, without the constructor's arguments."""


class Artefacts(Struct, frozen=True):
    """All of them, and what compiled them."""

    compiler: str
    contracts: dict[str, Artefact]


@cache
def artefacts() -> Artefacts:
    """The compiled contracts as shipped; their sources lie beside them."""
    return msgspec.json.decode(files(__name__).joinpath("artefacts.json").read_bytes(), type=Artefacts)
