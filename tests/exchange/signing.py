"""A client's half of signing: orders and requests as the published builders sign them."""

from typing import Any

import msgspec
from coincurve import PrivateKey
from eth_hash.auto import keccak

from pmm_tui.core.market import Market
from pmm_tui.core.units import LOT, Price, Size
from pmm_tui.exchange.eip712 import ORDER_TYPE, domain_of, signed_of, struct_hash, wallet_digest

KEY = PrivateKey(b"\x11" * 32)
EOA = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
YES = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
ZERO = "0x" + "0" * 64
API_KEY = "11111111-2222-4333-a444-555555555555"


def market(neg_risk: bool = False, protocol: int = 2, tick: int = 100) -> Market:
    return Market("0xm", "m", "M?", YES, "222", Price(tick), Size(500 * LOT), neg_risk=neg_risk, protocol=protocol)


def sign(digest: bytes, key: PrivateKey = KEY) -> bytes:
    raw = key.sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes([raw[64] + 27])


def order(**changes: Any) -> dict[str, Any]:
    plain = {
        "salt": 479249096354,
        "maker": EOA,
        "signer": EOA,
        "tokenId": YES,
        "makerAmount": "5200000",
        "takerAmount": "10000000",
        "side": "BUY",
        "expiration": "0",
        "signatureType": 0,
        "timestamp": "1713398400000",
        "metadata": ZERO,
        "builder": ZERO,
    }
    return plain | changes


def signed(order: dict[str, Any], market: Market, key: PrivateKey = KEY) -> dict[str, Any]:
    """The order with the signature of its type."""
    fields, domain = signed_of(order), domain_of(market)
    contents = struct_hash(fields)
    if fields.kind == 3:
        wrapped = sign(wallet_digest(domain, contents, fields.maker), key) + domain + contents + ORDER_TYPE + b"\x00\xba"
        return order | {"signature": "0x" + wrapped.hex()}
    return order | {"signature": "0x" + sign(keccak(b"\x19\x01" + domain + contents), key).hex()}


def body(order: dict[str, Any], kind: str = "GTC", **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode({"order": order, "owner": API_KEY, "orderType": kind, **more}))
    return told
