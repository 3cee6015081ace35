"""The yeses that real money needs: the profile's mode, the flag, the wallet typed by hand, and a preflight that passed today."""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from eth_account import Account
from eth_account.signers.local import LocalAccount
from msgspec import Struct

from pmm_tui.core.units import Nanos
from pmm_tui.record.files import private_folder, replace
from pmm_tui.runtime.places import CannotStart, practice_path, state_folder
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.runtime.unit import NODE_CREDENTIAL
from pmm_tui.venues.clob.keys import (
    PRIVATE_KEY,
    RPC_URL,
    ApiCreds,
    Keys,
    KeysUnusable,
    Secret,
    default_keystore,
    load_keys,
    read_private,
)

SUFFIX = 4
"""So many characters of the wallet are typed."""


class Check(Struct, frozen=True):
    """One line of a preflight."""

    name: str
    ok: bool
    why: str


class Preflight(Struct, frozen=True):
    """The last preflight of a profile and a wallet: for these values of the profile, on this day (UTC)."""

    day: str
    wallet: str
    values: str
    file: str
    """The profile's."""
    at: Nanos
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check did."""
        return all(check.ok for check in self.checks)


def keystore_path(profile: Profile) -> Path:
    """The file of the profile's key: encrypted, but for the throw-away key of a profile that names none and trades on this machine."""
    if named := profile.live().keystore:
        return Path(named).expanduser()
    return practice_path(profile) if profile.is_loopback else default_keystore()


def find_keys(profile: Profile, password: Callable[[], str], warn: Callable[[str], None]) -> Keys:
    """The keys of a live profile; KeysUnusable where there are none.

    On loopback the user's own keystore is not looked at: whoever listens there would get orders signed with it. What the profile or the
    environment names is used; else a key of no value, kept for the profile's next start.
    """
    path, node = keystore_path(profile), _credential_node()
    if profile.is_loopback and not profile.live().keystore and PRIVATE_KEY not in os.environ:
        node = os.environ.get(RPC_URL, "").strip() or node
        keys = Keys(_practice_account(path))
    else:
        keys = load_keys(path if path.exists() else None, password, warn=warn)
    if keys.rpc_url is None and node:
        keys.rpc_url = Secret(node)
    return keys


def _practice_account(path: Path) -> LocalAccount:
    """The throw-away key that is kept there, made when it is missing."""
    if not path.exists():
        private_folder(path.parent)
        replace(path, msgspec.json.encode(Account.create().key.hex()))
    kept = read_private(path)
    try:
        account: LocalAccount = Account.from_key(msgspec.json.decode(kept, type=str))
    except (msgspec.DecodeError, ValueError, TypeError):
        raise KeysUnusable(f"{path}: no key; remove it, and the next start makes one") from None
    return account


def _credential_node() -> str:
    """The node that systemd keeps for this service; empty where it keeps none."""
    path = Path(os.environ.get("CREDENTIALS_DIRECTORY", "")) / NODE_CREDENTIAL
    return path.read_text(encoding="utf-8").strip() if "CREDENTIALS_DIRECTORY" in os.environ and path.is_file() else ""


def consent(profile: Profile, live: bool, confirm: str, wallet: str, ask: Callable[[str], str] | None) -> None:
    """Every yes, or CannotStart naming the one that is missing. Loopback needs none. `ask` prompts; None: nobody is there."""
    if profile.is_loopback:
        return
    if not live:
        raise CannotStart(f"{profile.file}: mode is live, which is real money: start it with --live")
    if why := against(read_preflight(profile, wallet), profile):
        raise CannotStart(f"no preflight of this profile and wallet passed today ({why}): pmm-tui preflight --profile {profile.name}")
    suffix = wallet[-SUFFIX:].lower()
    typed = confirm or (ask(f"REAL MONEY. Type the last {SUFFIX} characters of the wallet {wallet[:6]}…: ") if ask is not None else "")
    if typed.strip().lower() != suffix:
        found = "nothing" if not typed else "something else"
        raise CannotStart(f"the wallet's last {SUFFIX} characters were to be typed (--confirm, or at the prompt): found {found}")


def against(kept: Preflight | None, profile: Profile) -> str:
    """Why a preflight does not count now; empty where it does."""
    if kept is None:
        return "none was run"
    if not kept.passed:
        return "the last one failed"
    if kept.day != _today():
        return f"the last one is of {kept.day}"
    return "" if kept.values == _values(profile) else "the profile has changed since the last one"


def unproven(profile: Profile, wallet: str) -> Callable[[Profile], str]:
    """What tells why no preflight of other values of this profile counts now; on loopback none is needed."""
    return lambda changed: "" if profile.is_loopback else against(read_preflight(changed, wallet), changed)


def preflight_path(profile: Profile, wallet: str) -> Path:
    """Where the last preflight is kept."""
    return _folder() / f"{profile.name}-{wallet.lower()}.json"


def read_preflight(profile: Profile, wallet: str) -> Preflight | None:
    """The last preflight; None where there is none that can be read."""
    return _read(preflight_path(profile, wallet))


def keep_preflight(profile: Profile, wallet: str, checks: Sequence[Check]) -> Preflight:
    """Remember what it found: one that failed makes an earlier one of today count no more."""
    path = preflight_path(profile, wallet)
    private_folder(path.parent)
    kept = Preflight(_today(), wallet.lower(), _values(profile), profile.file, Nanos(time.time_ns()), tuple(checks))
    replace(path, msgspec.json.encode(kept))
    return kept


def last_preflight(name: str, account: str) -> tuple[Preflight, str] | None:
    """The last one of a profile's name and a wallet's short form, and why it does not count now; None where there is none."""
    for path in sorted(_folder().glob(f"{name}-0x*.json")):
        kept = _read(path)
        if kept is None or not account or (kept.wallet[:6], kept.wallet[-4:]) != (account[:6].lower(), account[-4:].lower()):
            continue
        try:
            return kept, against(kept, load(kept.file))
        except (ValueError, OSError):
            return kept, "its profile cannot be read any more"
    return None


def _folder() -> Path:
    return state_folder() / "preflight"


def _read(path: Path) -> Preflight | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Preflight)
    except (OSError, msgspec.DecodeError):
        return None


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _values(profile: Profile) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(profile.values.items(), key=lambda item: item[0]))).hexdigest()


def pack(keys: Keys) -> bytes:
    """Keys for a child's standard input: one line, seen by nobody else."""
    api = [keys.api.key.reveal(), keys.api.secret.reveal(), keys.api.passphrase.reveal()] if keys.api is not None else []
    rpc = keys.rpc_url.reveal() if keys.rpc_url is not None else ""
    return msgspec.json.encode([keys.account.key.hex(), rpc, *api]) + b"\n"


def unpack(line: bytes) -> Keys:
    """The keys of `pack`; KeysUnusable, with none of their text, where the line is none."""
    try:
        key, rpc, *api = msgspec.json.decode(line, type=list[str])
        account = Account.from_key(key)
        creds = ApiCreds(*map(Secret, api)) if api else None
    except (msgspec.DecodeError, ValueError, TypeError):
        raise KeysUnusable(f"no keys on standard input; a desk by hand takes them from the keystore, or {PRIVATE_KEY}") from None
    return Keys(account, creds, Secret(rpc) if rpc else None)
