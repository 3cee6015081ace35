"""The signed half of the exchange: EIP-712 hashes, signers, wallets, and whether a posted order is what its owner signed."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from coincurve import PublicKey
from eth_hash.auto import keccak
from msgspec import Struct

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import SECOND, Cash, Nanos, Price, Size, price_text
from pmm_tui.exchange.terms import Lasts

if TYPE_CHECKING:
    from collections.abc import Callable

    from pmm_tui.exchange.auth import Account

CHAIN: Final = 137
EXCHANGES: Final = {
    (2, False): "0xe111180000d2663c0091e4f400237545b87b996b",
    (2, True): "0xe2222d279d744050d28e00520010520000310f59",
    (3, False): "0xe3333700ca9d93003f00f0f71f8515005f6c00aa",
}
"""The verifying contract by EIP-712 domain version and neg-risk; ExchangeV3 serves both."""
ORDER_TYPE: Final = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,uint8 side,"
    b"uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)

_ORDER = keccak(ORDER_TYPE)
_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_WRAP = keccak(
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)" + ORDER_TYPE
)
_AUTH = keccak(b"ClobAuth(address address,string timestamp,uint256 nonce,string message)")
_AUTH_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId)")
_AUTH_SAYS = keccak(b"This message attests that I control the given wallet")
_WALLET_NAME, _WALLET_VERSION = keccak(b"DepositWallet"), keccak(b"1")
_TAIL = ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
_SESSION = bytes.fromhex("6492" * 16)
_HALF_N = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

_PROXY_FACTORY = "ab45c5a4b0c941a2f231c04c3f49182e1a254052"
_SAFE_FACTORY = "aacfeea03eb1561c4e67d661e40682bd20e3541b"
_DEPOSIT_FACTORY = "00000000000fb5c9adea0298d729a0cb3823cc07"
_PROXY_CODE = keccak(
    bytes.fromhex(
        f"3d3d606380380380913d393d73{_PROXY_FACTORY}5af4602a57600080fd5b602d8060366000396000f3363d3d373d3d3d363d73"
        f"44e999d5c2f66ef0861317f9a4805ac2e90aeb4f5af43d82803e903d91602b57fd5bf352e831dd{32:064x}{0:064x}"
    )
)
_SAFE_CODE = bytes.fromhex("2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf")
# Both prefixes carry the 64 bytes of constructor arguments in their length field.
_UUPS_CODE = bytes.fromhex(
    "61007d3d8160233d397358ca52ebe0dadfdf531cde7062e76746de4db1eb60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076"
    "cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
)
_BEACON_CODE = bytes.fromhex(
    "6100923d8160233d39737a18edfe055488a3128f01f563e5b479d92ffc3a60195155f3363d3d373d3d363d602036600436635c60da"
    "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
)

BAD_PAYLOAD: Final = "Invalid order payload"
BAD_OWNER: Final = "the order owner has to be the owner of the API KEY"
BAD_SIGNER: Final = "the order signer address has to be the address of the API KEY"
BAD_MAKER: Final = "maker address not allowed"
BAD_VERSION: Final = "order_version_mismatch"
BAD_SIGNATURE: Final = "invalid signature"
BAD_EXPIRATION: Final = "invalid expiration"


class Signed(Struct, frozen=True):
    """The eleven signed fields of an order, as numbers and lower-case hex."""

    salt: int
    maker: str
    signer: str
    token: int
    making: int
    taking: int
    side: Side
    kind: int
    """Signature type: 0 EOA, 1 proxy, 2 Safe, 3 deposit wallet."""
    timestamp: int
    metadata: bytes
    builder: bytes


class VerifiedOrder(Struct, frozen=True):
    """An order whose every signed part holds, in integer units."""

    id: str
    """0x and 64 hex digits: the EIP-712 hash."""
    wallet: str
    """The maker, lower case."""
    owner: str
    token: str
    side: Side
    price: Price
    size: Size
    lasts: Lasts
    post_only: bool
    expires: Nanos
    budget: Cash
    """Dollars of a market buy; 0 for every other order."""


def word(value: int) -> bytes:
    """An unsigned number as one ABI word."""
    return value.to_bytes(32, "big")


def _address(text: str) -> bytes:
    return bytes(12) + bytes.fromhex(text[2:])


@lru_cache(maxsize=16)
def domain_separator(contract: str, version: int, chain: int = CHAIN) -> bytes:
    """The separator of an exchange contract's orders."""
    name = keccak(b"Polymarket CTF Exchange")
    return keccak(_DOMAIN + name + keccak(str(version).encode()) + word(chain) + _address(contract))


def domain_of(market: Market) -> bytes:
    """The separator under which a market's orders are signed."""
    return domain_separator(EXCHANGES[market.protocol, market.neg_risk and market.protocol == 2], market.protocol)


def struct_hash(order: Signed) -> bytes:
    """EIP-712 hashStruct of an order."""
    side = 0 if order.side is Side.BUY else 1
    numbers = b"".join(map(word, (order.token, order.making, order.taking, side, order.kind, order.timestamp)))
    return keccak(_ORDER + word(order.salt) + _address(order.maker) + _address(order.signer) + numbers + order.metadata + order.builder)


def order_hash(order: Signed, domain: bytes) -> str:
    """The order id: the EIP-712 digest in hex."""
    return "0x" + keccak(b"\x19\x01" + domain + struct_hash(order)).hex()


def recover(digest: bytes, signature: bytes) -> str:
    """The lower-case address that signed a digest; empty for a signature that is none (a high s is none)."""
    if len(signature) != 65 or signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > _HALF_N:
        return ""
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes([signature[64] - 27]), digest, hasher=None)
    except ValueError:
        return ""
    return "0x" + keccak(key.format(compressed=False)[1:])[12:].hex()


def auth_digest(address: str, timestamp: str, nonce: int, chain: int = CHAIN) -> bytes:
    """What a wallet signs to get API keys (`ClobAuth`)."""
    domain = keccak(_AUTH_DOMAIN + keccak(b"ClobAuthDomain") + keccak(b"1") + word(chain))
    return keccak(b"\x19\x01" + domain + keccak(_AUTH + _address(address) + keccak(timestamp.encode()) + word(nonce) + _AUTH_SAYS))


def wallet_digest(domain: bytes, contents: bytes, wallet: str, chain: int = CHAIN) -> bytes:
    """What the owner of a deposit wallet signs for an order (ERC-7739 TypedDataSign)."""
    inner = keccak(_WRAP + contents + _WALLET_NAME + _WALLET_VERSION + word(chain) + _address(wallet) + bytes(32))
    return keccak(b"\x19\x01" + domain + inner)


def _create2(factory: str, salt: bytes, code: bytes) -> str:
    return "0x" + keccak(b"\xff" + bytes.fromhex(factory) + salt + code)[12:].hex()


@lru_cache(maxsize=4096)
def wallets_of(owner: str, kind: int) -> tuple[str, ...]:
    """Every wallet of a signature type that an EOA has by derivation (CREATE2), lower case."""
    raw = bytes.fromhex(owner[2:])
    if kind == 0:
        return (owner,)
    if kind == 1:
        return (_create2(_PROXY_FACTORY, keccak(raw), _PROXY_CODE),)
    if kind == 2:
        return (_create2(_SAFE_FACTORY, keccak(bytes(12) + raw), _SAFE_CODE),)
    arguments = _address("0x" + _DEPOSIT_FACTORY) + bytes(12) + raw
    salt = keccak(arguments)
    return tuple(_create2(_DEPOSIT_FACTORY, salt, keccak(code + arguments)) for code in (_UUPS_CODE, _BEACON_CODE))


def _hex(value: object, size: int = 0) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("expected 0x and hex digits")
    raw = bytes.fromhex(value[2:])
    if size and (len(raw) != size or len(value) != 2 + 2 * size):
        raise ValueError(f"expected {size} bytes")
    return raw


def _count(value: object, bits: int = 256) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 78 or int(value) >> bits:
        raise ValueError("expected an unsigned decimal string")
    return int(value)


def _number(value: object, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
        raise ValueError("expected a small unsigned number")
    return value


def signed_of(order: dict[str, Any]) -> Signed:
    """The signed fields of a body's `order`; a ValueError or KeyError where one is missing or malformed."""
    return Signed(
        salt=_number(order["salt"], 2**53),
        maker="0x" + _hex(order["maker"], 20).hex(),
        signer="0x" + _hex(order["signer"], 20).hex(),
        token=_count(order["tokenId"]),
        making=_count(order["makerAmount"], 96),
        taking=_count(order["takerAmount"], 96),
        side=Side(order["side"]),
        kind=_number(order["signatureType"], 3),
        timestamp=_count(order["timestamp"]),
        metadata=_hex(order["metadata"], 32),
        builder=_hex(order["builder"], 32),
    )


def _is_v1(order: dict[str, Any]) -> bool:
    old = "nonce" in order or "feeRateBps" in order
    return old or not {"timestamp", "metadata", "builder"} <= order.keys()


def _signature_holds(order: Signed, signature: bytes, domain: bytes, owner: str) -> bool:
    contents = struct_hash(order)
    if order.kind != 3:
        return recover(keccak(b"\x19\x01" + domain + contents), signature) == owner
    if signature.endswith(_SESSION):
        head = bytes(12) + bytes.fromhex(owner[2:]) + bytes(32) + word(96)
        size = int.from_bytes(signature[96:128], "big")
        if signature[:96] != head or size != 317 or len(signature) != 128 + 320 + 32 or any(signature[445:448]):
            return False
        signature = signature[128:445]
    if signature[65:] != domain + contents + _TAIL:
        return False
    return recover(wallet_digest(domain, contents, order.maker), signature[:65]) == owner


def _maker_trouble(order: Signed, owner: str, registered: bool) -> str:
    if order.kind == 3:
        if order.signer != order.maker:
            return BAD_SIGNER
    elif order.signer != owner:
        return BAD_SIGNER
    if order.maker in wallets_of(owner, order.kind) or (registered and order.kind != 0):
        return ""
    return BAD_MAKER


def _digits(tick: Price) -> int:
    return len(price_text(tick)) - 2


def _fits(amount: int, decimals: int) -> bool:
    return bool(amount % 10 ** (6 - decimals) == 0)


def _terms(order: Signed, oid: str, tick: Price, market_order: bool) -> tuple[Price, Size] | str:
    """Limit price and size of the two amounts, or the venue's text."""
    buy = order.side is Side.BUY
    cash, size = (order.making, order.taking) if buy else (order.taking, order.making)
    if not cash or not size:
        return BAD_PAYLOAD
    price, off = divmod(cash * 10_000, size)
    finest = _digits(tick) + 2
    if market_order:
        # A market order's second amount is rounded to its own grid, so its price is the tick that rounding came from.
        price = (2 * cash * 10_000 + size * tick) // (2 * size * tick) * tick
        slack = price * 10 ** (6 - finest) if buy else 10_000 * 10 ** (6 - finest)
        off = int(abs(cash * 10_000 - price * size) > slack)
    if off or price % tick or not tick <= price <= 10_000 - tick:
        shown = f"{cash / size:.6f}".rstrip("0").rstrip(".")
        return f"order {oid} is invalid. Price ({shown}) breaks minimum tick size rule: {price_text(tick)}"
    making, taking = (2, finest) if market_order or not buy else (finest, 2)
    if not _fits(order.making, making) or not _fits(order.taking, taking):
        what = ("market " if market_order else "") + ("buy" if buy else "sell")
        return (
            f"invalid amounts, the {what} orders maker amount supports a max accuracy of {making} decimals, "
            f"taker amount a max of {taking} decimals"
        )
    return Price(price), Size(size)


def verify_order(
    body: dict[str, Any], market: Market, account: "Account", registered: "Callable[[str, str], bool] | None" = None, trusting: bool = False
) -> VerifiedOrder | str:
    """A POST /order body checked against the key that posts it and the market it names (its tick as it is now).

    Returns the order, or the venue's error text. `registered(wallet, eoa)` says which wallets an EOA has without being derived from it.
    `trusting` skips the signature, for simulations whose clients are our own; never the hash, the maker or the amounts.
    """
    order = body.get("order")
    if not isinstance(order, dict):
        return BAD_PAYLOAD
    if body.get("owner") != account.api_key:
        return BAD_OWNER
    if _is_v1(order):
        return BAD_VERSION
    try:
        signed = signed_of(order)
        signature = _hex(order["signature"])
        lasts = Lasts(body.get("orderType", "GTC"))
        expires = _count(order.get("expiration", "0"), 40)
    except (ValueError, KeyError, TypeError):
        return BAD_PAYLOAD
    post_only = body.get("postOnly", False)
    market_order = lasts in (Lasts.FOK, Lasts.FAK)
    if not isinstance(post_only, bool) or (post_only and market_order) or str(signed.token) not in (market.yes, market.no):
        return BAD_PAYLOAD
    owner = account.address
    if trouble := _maker_trouble(signed, owner, registered is not None and registered(signed.maker, owner)):
        return trouble
    domain = domain_of(market)
    if not trusting and not _signature_holds(signed, signature, domain, owner):
        return BAD_SIGNATURE
    oid = order_hash(signed, domain)
    terms = _terms(signed, oid, market.tick, market_order)
    if isinstance(terms, str):
        return terms
    if (lasts is Lasts.GTD) != (expires > 0):
        return BAD_EXPIRATION
    budget = Cash(signed.making if market_order and signed.side is Side.BUY else 0)
    until = Nanos(expires * SECOND)
    return VerifiedOrder(oid, signed.maker, account.api_key, str(signed.token), signed.side, *terms, lasts, post_only, until, budget)
