"""What proves to the venue that we ask: orders as EIP-712 structs under a signature, and the HMAC of a request, without general encoders.

Every step between a book and the bytes of an order is in here, so nothing is looked up, validated or derived that is known before. That
it comes to what the SDK makes of the same order is compared at every start (client.SdkClob), and stops it where it does not.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import NamedTuple

from coincurve import PrivateKey
from eth_hash.backends.pysha3 import keccak256 as keccak
from msgspec import Struct

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.venues.clob.keys import ApiCreds

CHAIN = 137
Domain = tuple[int, bool]
"""Which of the venue's contracts settles an order: its protocol, and whether it is the neg-risk one."""
DOMAINS: dict[Domain, str] = {
    (2, False): "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2",
    (2, True): "9b858f53327b0bd13af8ec14cfb35234fb9eb7b0504d1a4e61f433840d30e81a",
    (3, False): "466c63910185bbd55e8679264200c4e0abdcbb0c6264eb3d41d13326022e095b",
}
"""Domain separators of the exchanges on Polygon (published vectors): what a signature is bound to."""
DEPOSIT_WALLET = 3
NONE32 = "0x" + "0" * 64
_SEPARATORS = {domain: bytes.fromhex(separator) for domain, separator in DOMAINS.items()}
_TYPE = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,uint8 side,"
    b"uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_TYPE_HASH = keccak(_TYPE)
_TRAILER = _TYPE.hex() + f"{len(_TYPE):04x}"
_WRAP = keccak(b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)" + _TYPE)
_WALLET = keccak(b"DepositWallet") + keccak(b"1") + CHAIN.to_bytes(32, "big")
_NO_MARKS = bytes(64)
"""Neither metadata nor builder."""


class Terms(NamedTuple):
    """What differs from one order to the next."""

    token: str
    sells: bool
    maker_amount: int
    """What is offered, base units."""
    taker_amount: int
    """What is asked for it, base units."""
    at_ms: int
    salt: int


class Order(Struct, frozen=True, rename="camel"):
    """An order as a POST carries it, its fields in the SDK's order."""

    builder: str
    expiration: str
    maker: str
    maker_amount: str
    metadata: str
    salt: int
    side: str
    signature: str
    signature_type: int
    signer: str
    taker_amount: str
    timestamp: str
    token_id: str


class Envelope(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One element of a POST. Its owner is the API key's uuid, half of a credential."""

    defer_exec: bool
    order: Order
    order_type: str
    owner: str
    post_only: bool = False


class Seal(NamedTuple):
    """A signed order."""

    order: Order
    id: str
    """The EIP-712 hash: the venue's id of it."""
    separator: bytes
    body: bytes
    """Hash of the struct that was signed: the order, or what a deposit wallet wraps it into."""


class Pen:
    """Signs for one wallet. Addresses with checksum; signature_type: 0 EOA, 1 proxy, 2 Safe, 3 deposit wallet."""

    def __init__(self, key: bytes, address: str, wallet: str, signature_type: int) -> None:
        self._key = PrivateKey(key)
        self._wallet = wallet
        self._signer = wallet if signature_type == DEPOSIT_WALLET else address
        self._type = signature_type
        self._owner = b"".join(bytes.fromhex(one[2:]).rjust(32, b"\0") for one in (wallet, self._signer))

    def sign(self, domain: Domain, terms: Terms) -> Seal:
        """Sign; ValueError where a token is no number of 256 bits. ERC-7739 for a deposit wallet."""
        separator, contents = _SEPARATORS[domain], self.contents(terms)
        id_ = digest = keccak(b"\x19\x01" + separator + contents)
        body, trailer = contents, ""
        if self._type == DEPOSIT_WALLET:
            body = keccak(_WRAP + contents + _WALLET + self._owner[32:] + bytes(32))
            digest = keccak(b"\x19\x01" + separator + body)
            trailer = separator.hex() + contents.hex() + _TRAILER
        made = self._key.sign_recoverable(digest, hasher=None)
        token, sells, maker_amount, taker_amount, at_ms, salt = terms
        order = Order(
            NONE32, "0", self._wallet, str(maker_amount), NONE32, salt, "SELL" if sells else "BUY",
            f"0x{made[:64].hex()}{made[64] + 27:02x}{trailer}", self._type, self._signer, str(taker_amount), str(at_ms), token,
        )  # fmt: skip
        return Seal(order, "0x" + id_.hex(), separator, body)

    def contents(self, terms: Terms) -> bytes:
        """EIP-712's hash of the struct: twelve words of 32 bytes."""
        token, sells, maker_amount, taker_amount, at_ms, salt = terms
        try:
            words = [n.to_bytes(32, "big") for n in (int(token), maker_amount, taker_amount, sells, self._type, at_ms)]
        except OverflowError:
            raise ValueError("a token or an amount of more than 256 bits") from None
        return keccak(_TYPE_HASH + salt.to_bytes(32, "big") + self._owner + b"".join(words) + _NO_MARKS)


def stamped(creds: ApiCreds, address: str, clock: Callable[[], Nanos]) -> Callable[[str, str, bytes], dict[str, str]]:
    """What signs requests (L2): method, path and the exact bytes of the body into headers. ValueError where the secret is not base64."""
    secret = creds.secret.reveal()
    key = urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    always = {"POLY_ADDRESS": address, "POLY_API_KEY": creds.key.reveal(), "POLY_PASSPHRASE": creds.passphrase.reveal()}

    def headers(method: str, path: str, body: bytes) -> dict[str, str]:
        at_s = str(int(clock()) // SECOND)
        made = hmac.digest(key, f"{at_s}{method}{path}".encode() + body, "sha256")
        signature = binascii.b2a_base64(made, newline=False).decode().replace("+", "-").replace("/", "_")
        return always | {"POLY_SIGNATURE": signature, "POLY_TIMESTAMP": at_s}

    return headers
