"""The yeses that real money needs: the profile's mode, the flag, the wallet typed by hand, and a preflight that passed today."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from eth_account import Account
from msgspec import Struct

from pmm_tui.record.files import private_folder, replace
from pmm_tui.runtime.places import CannotStart, state_folder
from pmm_tui.runtime.profile import Profile
from pmm_tui.venues.clob.keys import PRIVATE_KEY, ApiCreds, Keys, KeysUnusable, Secret, default_keystore, load_keys

SUFFIX = 4
"""So many characters of the wallet are typed."""


class Passed(Struct, frozen=True):
    """A preflight that passed: for these values of a profile, this wallet, on this day (UTC)."""

    day: str
    wallet: str
    values: str


def keystore_path(profile: Profile) -> Path:
    """The file of the profile's encrypted key."""
    named = profile.live().keystore
    return Path(named).expanduser() if named else default_keystore()


def find_keys(profile: Profile, password: Callable[[], str], warn: Callable[[str], None]) -> Keys:
    """The keys of a live profile; on loopback a fresh key of no value where there is none. KeysUnusable otherwise."""
    path = keystore_path(profile)
    try:
        return load_keys(path if path.exists() else None, password, warn=warn)
    except KeysUnusable as none:
        if profile.is_loopback and not path.exists() and str(none).startswith("no key"):
            return Keys(Account.create())
        raise


def consent(profile: Profile, live: bool, confirm: str, wallet: str, ask: Callable[[str], str] | None) -> None:
    """Every yes, or CannotStart naming the one that is missing. Loopback needs none. `ask` prompts; None: nobody is there."""
    if profile.is_loopback:
        return
    if not live:
        raise CannotStart(f"{profile.file}: mode is live, which is real money: start it with --live")
    passed = read_passed(profile, wallet)
    if passed is None or passed != _passed(profile, wallet):
        raise CannotStart(f"no preflight of this profile and wallet passed today: pmm-tui preflight --profile {profile.name}")
    suffix = wallet[-SUFFIX:].lower()
    typed = confirm or (ask(f"REAL MONEY. Type the last {SUFFIX} characters of the wallet {wallet[:6]}…: ") if ask is not None else "")
    if typed.strip().lower() != suffix:
        found = "nothing" if not typed else "something else"
        raise CannotStart(f"the wallet's last {SUFFIX} characters were to be typed (--confirm, or at the prompt): found {found}")


def passed_path(profile: Profile, wallet: str) -> Path:
    """Where a passed preflight is kept."""
    return state_folder() / "preflight" / f"{profile.name}-{wallet.lower()}.json"


def read_passed(profile: Profile, wallet: str) -> Passed | None:
    """The last preflight that passed; None where there is none that can be read."""
    try:
        return msgspec.json.decode(passed_path(profile, wallet).read_bytes(), type=Passed)
    except (OSError, msgspec.DecodeError):
        return None


def keep_passed(profile: Profile, wallet: str) -> None:
    """Remember that it passed now."""
    path = passed_path(profile, wallet)
    private_folder(path.parent)
    replace(path, msgspec.json.encode(_passed(profile, wallet)))


def forget_passed(profile: Profile, wallet: str) -> None:
    """It failed now: an earlier one of today counts no more."""
    passed_path(profile, wallet).unlink(missing_ok=True)


def _passed(profile: Profile, wallet: str) -> Passed:
    values = hashlib.sha256(msgspec.json.encode(sorted(profile.values.items(), key=lambda item: item[0]))).hexdigest()
    return Passed(f"{datetime.now(UTC):%Y-%m-%d}", wallet.lower(), values)


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
