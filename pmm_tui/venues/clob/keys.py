"""Keys: where they come from, how they are kept out of every output, and the lock that keeps one wallet to one desk."""

import ctypes
import fcntl
import hmac
import json
import logging
import os
import re
import resource
import stat
import sys
import traceback
from collections.abc import Callable, MutableMapping
from getpass import getpass
from pathlib import Path
from typing import Any, NoReturn, Self

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.exceptions import ValidationError
from msgspec import Struct

PRIVATE_KEY = "POLYMARKET_PRIVATE_KEY"
PASSWORD = "POLYMARKET_KEYSTORE_PASSWORD"
API_KEY, API_SECRET, API_PASSPHRASE = "POLYMARKET_API_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_PASSPHRASE"
_API_SECRET_TOO, _API_PASSPHRASE_TOO = "POLYMARKET_SECRET", "POLYMARKET_API_PASSPHRASE"
RPC_URL = "POLYGON_RPC_URL"
PASSWORD_CHARACTERS_MIN = 8
HIDDEN = "***"
_SCRYPT_N = 2**18
_KEYSTORE_BYTES_MAX = 64 * 1024
_HEX = re.compile(r"(?:0x|0X)?[0-9a-fA-F]{64}", re.ASCII)
_LIKE_A_KEY = re.compile(
    r"(?<![0-9a-zA-Z])[0-9a-fA-F]{64}(?![0-9a-zA-Z])"
    r"|(?<=key)(\W{1,5}|\W{0,3}(?:is|was)\W{1,3})0x[0-9a-fA-F]{64}(?![0-9a-zA-Z])",
    re.ASCII | re.IGNORECASE,
)
"""Something shaped like a private key: 64 hex digits without 0x (the venue's ids all carry it), or with it right after the word key."""
_SECRET_CHARACTERS_MIN = 6
"""Shorter secrets are not looked for in text: they would stand in half of all words."""
_PR_SET_DUMPABLE = 4
_PRIVATE = os.O_CLOEXEC | os.O_NOFOLLOW


class KeyUnfit(ValueError):
    """The key and the wallet do not go together, or what this program signs is not what the venue checks."""


class KeysUnusable(ValueError):
    """The keys cannot be had; the text says why and what would do, and never holds any part of a key."""


class WalletBusy(ValueError):
    """Another process trades with this wallet."""


class Secret:
    """A text that shows itself only to who asks with `reveal()`: never printed, formatted, pickled or copied into a record."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for a signature, a header or a node's address, and nothing else."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(Secret)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled")


class ApiCreds(Struct, frozen=True):
    """An API key of the CLOB. The uuid is half of a credential and is kept like the rest."""

    key: Secret
    secret: Secret
    passphrase: Secret


class Keys:
    """What a production desk holds: the account that signs, the API key where one is given, and the node's URL (often with a key in it)."""

    __slots__ = ("account", "api", "rpc_url")

    def __init__(self, account: LocalAccount, api: ApiCreds | None = None, rpc_url: Secret | None = None) -> None:
        self.account = account
        self.api = api
        self.rpc_url = rpc_url

    def __repr__(self) -> str:
        return f"Keys({self.account.address}, api={HIDDEN if self.api else None}, rpc_url={HIDDEN if self.rpc_url else None})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are never pickled")

    def secrets(self) -> list[Secret]:
        """Everything that must not be written down anywhere."""
        found = [Secret(self.account.key.hex().removeprefix("0x"))]
        found += [self.api.key, self.api.secret, self.api.passphrase] if self.api else []
        return found + ([self.rpc_url] if self.rpc_url else [])


def load_keys(
    keystore: Path | None,
    password: Callable[[], str],
    environ: MutableMapping[str, str] = os.environ,
    warn: Callable[[str], None] = lambda text: None,
) -> Keys:
    """The keys of this process: the private key from the environment where it is there, else from the keystore; KeysUnusable otherwise.

    What is read from the environment is removed from it, and `warn` is told: every child sees an environment, and whoever may read /proc.
    `password` is asked only for a keystore whose password the environment does not hold.
    """
    given = {
        name: environ.pop(name)
        for name in (PRIVATE_KEY, PASSWORD, API_KEY, API_SECRET, _API_SECRET_TOO, API_PASSPHRASE, _API_PASSPHRASE_TOO)
        if name in environ
    }
    rpc = environ.pop(RPC_URL, "")
    if given:
        warn(f"taken from the environment and removed from it: {', '.join(given)}; a keystore file is safer (pmm-tui key)")
    if PRIVATE_KEY in given:
        account = _account(given[PRIVATE_KEY], f"the environment's {PRIVATE_KEY}")
    elif keystore is not None:
        account = open_keystore(keystore, Secret(given[PASSWORD]) if PASSWORD in given else Secret(password()))
    else:
        raise KeysUnusable(f"no key: make a keystore with `pmm-tui key`, or set {PRIVATE_KEY}")
    passphrase = given.get(API_PASSPHRASE, given.get(_API_PASSPHRASE_TOO, ""))
    parts = [given.get(API_KEY, ""), given.get(API_SECRET, given.get(_API_SECRET_TOO, "")), passphrase]
    if any(parts) and not all(parts):
        raise KeysUnusable(
            f"an API key has three parts: {API_KEY}, {API_SECRET} and {API_PASSPHRASE}; set all three, or none and it is derived"
        )
    api = ApiCreds(*(Secret(part.strip()) for part in parts)) if all(parts) else None
    return Keys(account, api, Secret(rpc.strip()) if rpc.strip() else None)


def _account(text: str, where: str) -> LocalAccount:
    """The account of a private key; KeysUnusable without any of its text."""
    key = text.strip()
    if not _HEX.fullmatch(key):
        raise KeysUnusable(f"{where}: expected 64 hex digits, with or without 0x; found {len(key)} characters")
    try:
        account: LocalAccount = Account.from_key("0x" + key[-64:])
    except (ValueError, TypeError, ValidationError):
        raise KeysUnusable(f"{where}: 64 hex digits, but no private key of this curve") from None
    return account


def default_keystore() -> Path:
    """Where a user's keystore is, unless told otherwise."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pmm-tui" / "key.json"


def read_secret(prompt: str) -> Secret:
    """A secret typed without echo; where there is no terminal, the next line of stdin. KeysUnusable where nothing comes."""
    text = getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise KeysUnusable("nothing was typed")
    return Secret(text.rstrip("\r\n"))


# --- the keystore -----------------------------------------------------------------------------------------------------------------------


def make_keystore(path: Path, key: Secret | None, password: Secret) -> str:
    """Encrypt a private key (None: a new one) into a new 0600 file with scrypt; the address. KeysUnusable where it cannot be done."""
    if len(password.reveal()) < PASSWORD_CHARACTERS_MIN:
        raise KeysUnusable(f"a keystore's password has at least {PASSWORD_CHARACTERS_MIN} characters")
    account: LocalAccount = Account.create() if key is None else _account(key.reveal(), "the private key")
    sealed = Account.encrypt(account.key, password.reveal(), kdf="scrypt", iterations=_SCRYPT_N)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_folder(path.parent)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PRIVATE, 0o600)
    except FileExistsError:
        raise KeysUnusable(f"{path} is there already; a keystore is never overwritten") from None
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, 0o600)
            file.write(json.dumps(sealed).encode() + b"\n")
            file.flush()
            os.fsync(fd)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return str(account.address)


def open_keystore(path: Path, password: Secret) -> LocalAccount:
    """Decrypt a keystore that nobody else could have read or put there (about a second); KeysUnusable otherwise."""
    data = read_private(path)
    try:
        sealed = json.loads(data)
        if not isinstance(sealed, dict):
            raise KeysUnusable(f"{path}: no keystore")
        key = Account.decrypt(sealed, password.reveal())
    except KeysUnusable:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        # Whatever went wrong is not shown: it may quote the file.
        raise KeysUnusable(f"{path}: the password is wrong, or the file is no keystore") from None
    return _account(key.hex(), str(path))


def read_private(path: Path) -> bytes:
    """The bytes of a file that is ours and 0600, in a folder nobody else may write to. What is checked is what is read."""
    _check_folder(path.parent)
    try:
        fd = os.open(path, os.O_RDONLY | _PRIVATE)
    except FileNotFoundError:
        raise KeysUnusable(f"no keystore at {path}: make one with `pmm-tui key`") from None
    except OSError as wrong:
        raise KeysUnusable(f"{path}: {wrong.strerror}; a keystore is a file of its own, not a link") from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise KeysUnusable(f"{path}: not a file")
        if found.st_uid != os.geteuid():
            raise KeysUnusable(f"{path}: belongs to user {found.st_uid}, not to you")
        if found.st_mode & 0o077:
            raise KeysUnusable(f"{path}: others may use it (mode {stat.S_IMODE(found.st_mode):04o}); allowed: 0600. Do: chmod 600 {path}")
        return os.read(fd, _KEYSTORE_BYTES_MAX)
    finally:
        os.close(fd)


def _check_folder(folder: Path) -> None:
    """A folder where nobody else may put another file in a file's place."""
    try:
        found = folder.stat()
    except OSError as wrong:
        raise KeysUnusable(f"{folder}: {wrong.strerror}") from None
    if found.st_uid not in (os.geteuid(), 0):
        raise KeysUnusable(f"{folder}: belongs to user {found.st_uid}, not to you")
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        raise KeysUnusable(f"{folder}: others may write there (mode {stat.S_IMODE(found.st_mode):04o}). Do: chmod go-w {folder}")


# --- keeping them out of every output ---------------------------------------------------------------------------------------------------


class Redacted(Exception):
    """Stands in a log record for a failure whose own text held a secret."""


class Redaction(logging.Filter):
    """Takes secrets, and whatever is shaped like a private key, out of log records: message, arguments, fields and tracebacks."""

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys = keys
        self._learn()

    def _learn(self) -> None:
        self._api = self._keys.api
        texts = {secret.reveal() for secret in self._keys.secrets()}
        longest_first = sorted((text for text in texts if len(text) >= _SECRET_CHARACTERS_MIN), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def clean(self, text: str) -> str:
        """The text without what must not be seen."""
        if self._api is not self._keys.api:  # derived since
            self._learn()
        return _LIKE_A_KEY.sub(HIDDEN, self._known.sub(HIDDEN, text))

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record in place; every record passes."""
        try:
            said = record.getMessage()
        except (TypeError, ValueError):
            said = str(record.msg)
        record.msg, record.args = self.clean(said), None
        if record.exc_info and record.exc_info[1] is not None:
            told = "".join(traceback.format_exception(*record.exc_info))
            if (fit := self.clean(told)) != told:
                record.exc_info = (Redacted, Redacted(fit), None)
                record.exc_text = None
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        for name, value in list(vars(record).items()):
            if name not in _RECORD_OWN:
                setattr(record, name, self._clean_deep(value))
        return True

    def _clean_deep(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self._clean_deep(key): self._clean_deep(one) for key, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean_deep(one) for one in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        told = str(value)
        return value if (fit := self.clean(told)) == told else fit


_RECORD_OWN = vars(logging.makeLogRecord({})).keys()
"""The fields that every record has; what is beyond them was handed in with `extra`."""


def guard_logs(keys: Keys) -> Redaction:
    """Put a redaction of these keys, and of an API key derived later, on every sink of the root logger; it is returned for later sinks."""
    redaction = Redaction(keys)
    for sink in logging.getLogger().handlers:
        sink.addFilter(redaction)
    return redaction


def no_core_dumps() -> None:
    """Keep the memory of this process from the disk and from other processes of the user, as far as the system can."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


# --- one wallet, one desk ---------------------------------------------------------------------------------------------------------------


class WalletLock:
    """`<folder>/<chain>-<address>.lock`, held while this process trades the wallet; the system lets go when the process ends."""

    def __init__(self, folder: Path, chain: int, wallet: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{chain}-{wallet.lower()}.lock"
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | _PRIVATE, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            by = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise WalletBusy(
                f"process {by or 'unknown'} trades with the wallet {wallet} already ({self.path}); one wallet, one desk"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; the file stays, since removing it would let two processes hold two files of one name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.release()
