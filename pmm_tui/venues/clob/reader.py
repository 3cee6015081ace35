"""A key that signs no order: what rests at the venue read, and all of it cancelled, by who must not hold the private key."""

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Struct

from pmm_tui.exchange.auth import sign_l2
from pmm_tui.venues.clob import troubles, wire
from pmm_tui.venues.clob.keys import API_KEY, API_PASSPHRASE, API_SECRET, ApiCreds, KeysUnusable, Secret, read_private
from pmm_tui.venues.clob.port import Cancelled, Silent, Standing

ADDRESS = "POLYMARKET_ADDRESS"
"""Names the account that the API key belongs to, where no keystore is there to name it."""
PAGES_MAX = 100
_WALLET = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
Said = TypeVar("Said")


class ReadKey(Struct, frozen=True):
    """An API key and the account that it belongs to: it reads and cancels, and can place nothing."""

    address: str
    """The account that signs (0x and 40 hex digits), which need not be the wallet whose money it is."""
    creds: ApiCreds


class _Stored(Struct, forbid_unknown_fields=True):
    address: str
    key: str
    secret: str
    passphrase: str


def read_key_path(keystore: Path) -> Path:
    """Where the API key of a keystore's account is kept: key.api.json beside key.json."""
    return keystore.with_suffix(".api.json")


def find_read_key(keystore: Path, environ: Mapping[str, str] = os.environ) -> ReadKey | None:
    """The API key beside a keystore, else that of the environment; None where there is neither. KeysUnusable where one cannot be used."""
    path = read_key_path(keystore)
    if path.exists():
        try:
            told = msgspec.json.decode(read_private(path), type=_Stored)
        except (msgspec.DecodeError, UnicodeDecodeError):  # whatever is wrong is not shown: it may quote the file
            raise KeysUnusable(f"{path}: expected address, key, secret and passphrase, as JSON") from None
        return _made(told, str(path))
    given = [environ.get(name, "").strip() for name in (API_KEY, API_SECRET, API_PASSPHRASE)]
    address = environ.get(ADDRESS, "").strip() or address_of(keystore)
    if not all(given) or not address:
        return None
    return _made(_Stored(address, *given), "the environment")


def address_of(keystore: Path) -> str:
    """The account of a keystore, which stands in it unencrypted; empty where there is none."""
    try:
        told = msgspec.json.decode(read_private(keystore), type=dict[str, Any]).get("address", "") if keystore.exists() else ""
    except (KeysUnusable, msgspec.DecodeError):
        return ""
    address = f"0x{str(told).removeprefix('0x')}"
    return address if _WALLET.fullmatch(address) else ""


def keep_read_key(keystore: Path, key: ReadKey) -> Path:
    """Write an API key beside its keystore, 0600; where it is."""
    path, creds = read_key_path(keystore), key.creds
    told = _Stored(key.address, creds.key.reveal(), creds.secret.reveal(), creds.passphrase.reveal())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.encode(told) + b"\n")
    return path


def _made(told: _Stored, where: str) -> ReadKey:
    if not _WALLET.fullmatch(told.address):
        raise KeysUnusable(f"{where}: address: expected 0x and 40 hex digits")
    creds = ApiCreds(Secret(told.key), Secret(told.secret), Secret(told.passphrase))
    try:
        sign_l2(told.secret, "0", "GET", "/")
    except ValueError:
        raise KeysUnusable(f"{where}: the secret is no base64") from None
    return ReadKey(told.address, creds)


class Reader:
    """The CLOB as an API key alone may use it. Every method raises a Trouble and nothing else."""

    def __init__(self, key: ReadKey, url: str, timeout_s: float = 5.0) -> None:
        self._key = key
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, follow_redirects=False, headers={"user-agent": "pmm-tui"})

    async def open_orders(self) -> list[Standing]:
        """Every open order of the key's account, all pages."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(PAGES_MAX):
            params = {"next_cursor": cursor} if cursor else {}
            more, cursor = await self._ask("GET", "/data/orders", wire.page_of, params)
            rows += more
            if not cursor:
                return self._read(wire.standings, rows)
        raise Silent(f"a list of more than {PAGES_MAX} pages")

    async def cancel_all(self) -> Cancelled:
        """Cancel every order of the key."""
        return await self._ask("DELETE", "/cancel-all", wire.cancelled_of, {})

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, read: Callable[[Any], Said], params: dict[str, str]) -> Said:
        creds, stamp = self._key.creds, str(int(time.time()))
        headers = {
            "POLY_ADDRESS": self._key.address,
            "POLY_API_KEY": creds.key.reveal(),
            "POLY_PASSPHRASE": creds.passphrase.reveal(),
            "POLY_SIGNATURE": sign_l2(creds.secret.reveal(), stamp, method, path),
            "POLY_TIMESTAMP": stamp,
        }
        try:
            said = await self._http.request(method, path, params=params, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as lost:
            raise Silent(troubles.clean(f"{type(lost).__name__}: {lost}".rstrip(": "))) from None
        if not said.is_success:
            raise troubles.trouble(said.status_code, said.text)
        kind = said.headers.get("content-type", "no content type").partition(";")[0][:60]
        if "json" not in kind:
            raise Silent(troubles.clean(f"HTTP {said.status_code} with {kind} instead of JSON: somebody answers in the venue's place"))
        return self._read(lambda body: read(msgspec.json.decode(body)), said.content)

    @staticmethod
    def _read(read: Callable[[Any], Said], said: Any) -> Said:
        try:
            return read(said)
        except (ValueError, TypeError, RecursionError, OverflowError) as odd:
            raise Silent(troubles.clean(f"an answer that proves nothing: {odd}")) from None
