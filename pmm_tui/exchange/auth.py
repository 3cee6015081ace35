"""Who asks: API keys made and derived from a wallet's signature (L1), and requests signed with them (L2)."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from msgspec import Struct, field

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.eip712 import CHAIN, auth_digest, recover
from pmm_tui.exchange.terms import Ask

BAD_L1 = "Invalid L1 Request headers"
BAD_L2 = "Unauthorized/Invalid api key"


class Account(Struct, frozen=True):
    """Who a request comes from."""

    address: str
    """The EOA, lower case."""
    api_key: str


class Credentials(Struct, frozen=True):
    """One API key as the venue hands it out; its secrets stay out of its repr."""

    key: str
    secret: str
    """Url-safe base64 of 32 bytes."""
    passphrase: str

    def __repr__(self) -> str:
        return f"Credentials(key={self.key!r})"


class Refused(Struct, frozen=True):
    """A request that proves nobody, with the venue's text (always a 401)."""

    error: str


class _Known(Struct):
    address: str
    credentials: Credentials
    revoked: bool = False


class Keys(Struct):
    """The API keys of an exchange: the same (address, nonce) always gets the same key under one `seed`."""

    seed: bytes = b"pmm-tui exchange"
    tolerance_s: int = 300
    """How far a request's timestamp may be from the exchange's clock, in seconds."""
    chain: int = CHAIN
    _known: dict[str, _Known] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Keys({len(self._known)})"

    def _bytes(self, what: str, address: str, nonce: int) -> bytes:
        return hmac.digest(self.seed, f"{what} {address} {nonce}".encode(), sha256)

    def _made(self, address: str, nonce: int) -> Credentials:
        raw = self._bytes("key", address, nonce).hex()
        key = f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:32]}"
        secret = urlsafe_b64encode(self._bytes("secret", address, nonce)).decode()
        return Credentials(key, secret, self._bytes("passphrase", address, nonce).hex())

    def create(self, address: str, nonce: int) -> Credentials | None:
        """A new key; None where this nonce has one already (the venue's 400) or had one."""
        made = self._made(address.lower(), nonce)
        if made.key in self._known:
            return None
        self._known[made.key] = _Known(address.lower(), made)
        return made

    def derive(self, address: str, nonce: int) -> Credentials | None:
        """The key made before; None where there is none or it was revoked."""
        known = self._known.get(self._made(address.lower(), nonce).key)
        return None if known is None or known.revoked else known.credentials

    def of(self, address: str) -> list[str]:
        """The live keys of an address, oldest first."""
        return [key for key, known in self._known.items() if known.address == address.lower() and not known.revoked]

    def revoke(self, key: str) -> bool:
        """End a key for good; False where it does not live."""
        known = self._known.get(key)
        if known is None or known.revoked:
            return False
        known.revoked = True
        return True

    def holder(self, key: str, secret: str, passphrase: str) -> Account | None:
        """Whose credentials these are, as the user channel presents them."""
        known = self._known.get(key)
        if known is None or known.revoked:
            return None
        whole = known.credentials
        same = hmac.compare_digest(whole.secret.encode(), secret.encode())
        return Account(known.address, key) if same & hmac.compare_digest(whole.passphrase.encode(), passphrase.encode()) else None

    def _on_time(self, text: str, at: Nanos) -> bool:
        return text.isascii() and text.isdigit() and len(text) < 12 and abs(int(text) * SECOND - at) <= self.tolerance_s * SECOND

    def check_l1(self, ask: Ask, at: Nanos) -> tuple[str, int] | Refused:
        """The lower-case address and nonce that a request's `ClobAuth` signature proves."""
        told = ask.headers
        try:
            address, nonce = told["poly_address"].lower(), int(told.get("poly_nonce", "0"))
            signature = bytes.fromhex(told["poly_signature"].removeprefix("0x"))
            stamp = told["poly_timestamp"]
            if not self._on_time(stamp, at) or len(address) != 42:
                return Refused(BAD_L1)
            signer = recover(auth_digest(address, stamp, nonce, self.chain), signature)
        except (KeyError, ValueError, OverflowError):
            return Refused(BAD_L1)
        return (address, nonce) if signer and signer == address else Refused(BAD_L1)

    def check_l2(self, ask: Ask, at: Nanos) -> Account | Refused:
        """The account whose key signed exactly these bytes, near the exchange's time."""
        told = ask.headers
        known = self._known.get(told.get("poly_api_key", ""))
        stamp = told.get("poly_timestamp", "")
        if known is None or known.revoked or not self._on_time(stamp, at):
            return Refused(BAD_L2)
        held = known.credentials
        expected = sign_l2(held.secret, stamp, ask.method, ask.path, ask.body)
        fits = hmac.compare_digest(expected.encode(), told.get("poly_signature", "").encode())
        fits &= hmac.compare_digest(held.passphrase.encode(), told.get("poly_passphrase", "").encode())
        fits &= told.get("poly_address", "").lower() == known.address
        return Account(known.address, held.key) if fits else Refused(BAD_L2)


def sign_l2(secret: str, timestamp: str, method: str, path: str, body: bytes = b"") -> str:
    """POLY_SIGNATURE of a request: path without its query, body exactly as sent."""
    digest = hmac.digest(urlsafe_b64decode(secret), f"{timestamp}{method}{path}".encode() + body, sha256)
    return urlsafe_b64encode(digest).decode()
