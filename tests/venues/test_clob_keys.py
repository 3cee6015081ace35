"""Keys come only from where nobody else could have put or read them, and no output ever shows one."""

import copy
import json
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from pmm_tui.runtime.logs import JsonLines, Sink
from pmm_tui.venues.clob import keys as keys_module
from pmm_tui.venues.clob.keys import (
    ApiCreds,
    Keys,
    KeysUnusable,
    Redaction,
    Secret,
    WalletBusy,
    WalletLock,
    guard_logs,
    load_keys,
    make_keystore,
    open_keystore,
    read_secret,
)

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
PASSWORD = "correct horse battery"
CREDS = {"POLYMARKET_API_KEY": "9180014b-33c8", "POLYMARKET_API_SECRET": "c2VjcmV0LXNlY3JldA==", "POLYMARKET_PASSPHRASE": "pass-phrase"}
NODE = "https://node.test/v2/a-key-in-the-path"


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scrypt as such is not what is tested: a thousandth of its work will do."""
    monkeypatch.setattr(keys_module, "_SCRYPT_N", 2**8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private folder."""
    tmp_path.chmod(0o700)
    return tmp_path


def never() -> str:
    """A password that must not be asked for."""
    raise AssertionError("asked for a password")


# --- secrets ----------------------------------------------------------------------------------------------------------------------------


def test_a_secret_shows_itself_only_to_who_asks() -> None:
    secret = Secret(KEY)
    creds = ApiCreds(secret, secret, secret)
    held = Keys(Account.from_key(KEY), creds, Secret(NODE))
    for shown in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!s:>50}",
        repr(creds),
        repr(held),
        str([secret]),
        str(held),
    ):
        assert KEY not in shown
        assert NODE not in shown
    assert secret.reveal() == KEY
    assert secret == Secret(KEY) != Secret("another")
    assert len({secret, Secret(KEY)}) == 1
    assert not Secret("")
    assert [one.reveal() for one in held.secrets()] == [KEY, KEY, KEY, KEY, NODE]


def test_a_secret_is_neither_pickled_nor_written_as_json() -> None:
    held = Keys(Account.from_key(KEY))
    for write in (pickle.dumps, copy.deepcopy, json.dumps):
        for one in (Secret(KEY), held):
            with pytest.raises(TypeError) as told:
                write(one)
            assert KEY not in str(told.value)


# --- the environment --------------------------------------------------------------------------------------------------------------------


def test_what_the_environment_holds_is_taken_out_of_it_with_a_warning() -> None:
    environ = {"POLYMARKET_PRIVATE_KEY": f" 0x{KEY}\n", "POLYGON_RPC_URL": NODE, "HOME": "/home/x", **CREDS}
    said: list[str] = []
    held = load_keys(None, never, environ, said.append)
    assert environ == {"HOME": "/home/x"}
    assert held.account.address == ADDRESS
    assert held.rpc_url is not None
    assert held.rpc_url.reveal() == NODE
    assert held.api is not None
    assert [held.api.key.reveal(), held.api.secret.reveal(), held.api.passphrase.reveal()] == list(CREDS.values())
    assert len(said) == 1
    assert "POLYMARKET_PRIVATE_KEY" in said[0]
    assert not any(hidden in said[0] for hidden in (KEY, NODE, *CREDS.values()))


def test_the_environments_key_goes_before_the_keystore_and_without_either_it_is_said(folder: Path) -> None:
    assert load_keys(folder / "none", never, {"POLYMARKET_PRIVATE_KEY": KEY}).account.address == ADDRESS
    with pytest.raises(KeysUnusable, match="pmm-tui key"):
        load_keys(None, never, {})
    with pytest.raises(KeysUnusable, match="no keystore at"):
        load_keys(folder / "none", lambda: PASSWORD, {})


def test_the_other_spelling_of_an_api_key_is_taken_and_removed_too() -> None:
    names = ("POLYMARKET_API_KEY", "POLYMARKET_SECRET", "POLYMARKET_API_PASSPHRASE")
    environ = {"POLYMARKET_PRIVATE_KEY": KEY} | dict(zip(names, CREDS.values(), strict=True))
    held = load_keys(None, never, environ)
    assert held.api is not None and environ == {}
    assert [held.api.key.reveal(), held.api.secret.reveal(), held.api.passphrase.reveal()] == list(CREDS.values())


@pytest.mark.parametrize("missing", list(CREDS))
def test_an_api_key_has_three_parts(missing: str) -> None:
    environ = {"POLYMARKET_PRIVATE_KEY": KEY, **CREDS}
    del environ[missing]
    with pytest.raises(KeysUnusable, match="three parts") as told:
        load_keys(None, never, environ)
    assert not any(hidden in str(told.value) for hidden in CREDS.values())
    assert not environ


@pytest.mark.parametrize("wrong", [KEY[:-1], KEY + "0", "0x" + "0" * 64, "f" * 64, KEY[:-1] + "x", "correct words of a mnemonic", ""])
def test_a_wrong_private_key_is_refused_without_being_shown(wrong: str) -> None:
    with pytest.raises(KeysUnusable) as told:
        load_keys(None, never, {"POLYMARKET_PRIVATE_KEY": wrong})
    assert not wrong or wrong not in f"{told.value}{told.value.__cause__}"
    assert told.value.__cause__ is None


# --- the keystore -----------------------------------------------------------------------------------------------------------------------


def test_a_keystore_is_made_private_and_opens_with_its_password_only(folder: Path) -> None:
    path = folder / "keys" / "key.json"
    assert make_keystore(path, Secret("0x" + KEY), Secret(PASSWORD)) == ADDRESS
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert KEY not in path.read_text("ascii").lower()
    assert open_keystore(path, Secret(PASSWORD)).address == ADDRESS
    assert load_keys(path, lambda: PASSWORD, {}).account.address == ADDRESS
    environ = {"POLYMARKET_KEYSTORE_PASSWORD": PASSWORD}
    assert load_keys(path, never, environ).account.address == ADDRESS
    assert not environ
    with pytest.raises(KeysUnusable, match="the password is wrong") as told:
        open_keystore(path, Secret("wrong password"))
    assert "wrong password" not in str(told.value)


def test_a_keystore_is_never_overwritten_and_a_short_password_is_refused(folder: Path) -> None:
    path = folder / "key.json"
    first = make_keystore(path, None, Secret(PASSWORD))
    with pytest.raises(KeysUnusable, match="never overwritten"):
        make_keystore(path, None, Secret(PASSWORD))
    assert open_keystore(path, Secret(PASSWORD)).address == first
    with pytest.raises(KeysUnusable, match="at least 8"):
        make_keystore(folder / "other.json", None, Secret("short"))
    assert not (folder / "other.json").exists()


@pytest.mark.parametrize("data", ["", "{}", "[]", "no json", '{"crypto": {}, "version": 3}', '{"version": 3, "crypto": 5}', "[" * 100_000])
def test_a_file_that_is_no_keystore_is_said_to_be_none(folder: Path, data: str) -> None:
    path = folder / "key.json"
    path.write_text(data, "ascii")
    path.chmod(0o600)
    with pytest.raises(KeysUnusable, match="no keystore"):
        open_keystore(path, Secret(PASSWORD))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o700 | 0o001])
def test_a_keystore_that_others_may_use_is_refused(folder: Path, mode: int) -> None:
    path = folder / "key.json"
    make_keystore(path, None, Secret(PASSWORD))
    path.chmod(mode)
    with pytest.raises(KeysUnusable, match="chmod 600"):
        open_keystore(path, Secret(PASSWORD))


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_where_others_may_write_is_refused_for_reading_and_for_writing(folder: Path, mode: int) -> None:
    path = folder / "key.json"
    make_keystore(path, None, Secret(PASSWORD))
    folder.chmod(mode)
    with pytest.raises(KeysUnusable, match="chmod go-w"):
        open_keystore(path, Secret(PASSWORD))
    with pytest.raises(KeysUnusable, match="chmod go-w"):
        make_keystore(folder / "other.json", None, Secret(PASSWORD))


def test_a_link_a_folder_and_another_users_file_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "key.json"
    make_keystore(path, None, Secret(PASSWORD))
    (folder / "link.json").symlink_to(path)
    with pytest.raises(KeysUnusable, match="not a link"):
        open_keystore(folder / "link.json", Secret(PASSWORD))
    (folder / "folder").mkdir(0o700)
    with pytest.raises(KeysUnusable, match="not a file"):
        open_keystore(folder / "folder", Secret(PASSWORD))
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(KeysUnusable, match=f"belongs to user {mine}"):
        open_keystore(path, Secret(PASSWORD))


def test_the_command_takes_a_key_from_stdin_and_shows_only_the_address(folder: Path, root: Path) -> None:
    path = folder / "key.json"
    done = subprocess.run(
        [sys.executable, "-m", "pmm_tui", "key", str(path)],
        input=f"{KEY}\n{PASSWORD}\n", capture_output=True, text=True, cwd=root, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ADDRESS in done.stdout
    assert KEY not in done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert open_keystore(path, Secret(PASSWORD)).address == ADDRESS


def test_nothing_typed_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"first\r\n\n")
    os.close(writing)
    with open(reading, encoding="ascii") as lines:  # noqa: PTH123  # a descriptor has no path
        monkeypatch.setattr(sys, "stdin", lines)
        assert read_secret("? ").reveal() == "first"
        for _ in range(2):
            with pytest.raises(KeysUnusable, match="nothing was typed"):
                read_secret("? ")


# --- logs -------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the root logger wrote while the keys of this file were loaded, as the desk writes it."""
    written: list[str] = []
    sink = Sink(written.append)
    sink.setFormatter(JsonLines("live"))
    logging.getLogger().addHandler(sink)
    held = load_keys(None, never, {"POLYMARKET_PRIVATE_KEY": KEY, "POLYGON_RPC_URL": NODE, **CREDS})
    redaction = guard_logs(held)
    try:
        yield written
    finally:
        logging.getLogger().removeHandler(sink)
        for one in logging.getLogger().handlers:
            one.removeFilter(redaction)


CANARIES = [KEY, "0x" + KEY, KEY.upper(), NODE, *CREDS.values()]


@pytest.mark.parametrize("canary", CANARIES)
def test_no_log_line_shows_a_secret_wherever_in_the_record_it_is(lines: list[str], canary: str) -> None:
    log = logging.getLogger("pmm_tui.test.keys")
    log.error("with %s and %r in it", canary, {"deep": [canary]})
    log.error(f"formatted {canary}")  # noqa: G004  # what a careless line does
    log.error("fields", extra={"fields": {"a": [canary, (canary, 1)], canary: None, "error": ValueError(canary)}})
    try:
        raise ValueError(f"a library quotes {canary}")
    except ValueError:
        log.exception("failed")
    log.error("broken %d %s", canary)
    assert len(lines) == 5
    shown = "".join(lines)
    assert canary.lower() not in shown.lower()
    assert KEY[:16] not in shown.lower()
    assert shown.count("***") >= 8
    assert "Traceback" in lines[3]


def test_keys_of_strangers_are_hidden_by_their_shape_and_the_venues_ids_stay(lines: list[str]) -> None:
    other, order = "ab" * 32, "0x" + "cd" * 32
    logging.getLogger("pmm_tui.test.keys").error("key=%s private key: 0x%s bare %s order %s", other, other, other, order)
    assert other not in lines[0]
    assert order in lines[0]


def test_a_harmless_record_is_left_as_it_is(lines: list[str]) -> None:
    logging.getLogger("pmm_tui.test.keys").warning("order %s rests", 7, extra={"fields": {"n": 1, "ok": True, "none": None}})
    line = json.loads(lines[0])
    assert (line["event"], line["n"], line["ok"], line["none"]) == ("order 7 rests", 1, True, None)


def test_a_short_secret_does_not_blot_out_half_of_all_words() -> None:
    held = Keys(Account.from_key(KEY), ApiCreds(Secret("a"), Secret(""), Secret("line")))
    assert Redaction(held).clean("a plain line") == "a plain line"


def test_an_api_key_that_was_derived_after_the_logs_were_guarded_is_hidden_too() -> None:
    held = Keys(Account.from_key(KEY))
    redaction = Redaction(held)
    assert redaction.clean(f"secret {NODE}") == f"secret {NODE}"
    held.api = ApiCreds(Secret("9180014b-33c8"), Secret(NODE), Secret("pass-phrase"))
    assert redaction.clean(f"secret {NODE} pass-phrase {KEY}") == "secret *** *** ***"


def test_a_process_that_holds_keys_leaves_no_core() -> None:
    code = (
        "import resource, ctypes, sys\nfrom pmm_tui.venues.clob.keys import no_core_dumps\nno_core_dumps()\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
        "assert sys.platform != 'linux' or ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- one wallet, one desk ---------------------------------------------------------------------------------------------------------------


def test_one_wallet_is_traded_by_one_process_and_the_refusal_names_it(folder: Path) -> None:
    with WalletLock(folder / "wallets", 137, ADDRESS) as lock:
        assert lock.path.name == f"137-{ADDRESS.lower()}.lock"
        assert lock.path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(WalletBusy, match=rf"process {os.getpid()} trades with the wallet"):
            WalletLock(folder / "wallets", 137, ADDRESS.lower())
        WalletLock(folder / "wallets", 80002, ADDRESS).release()
    lock.release()
    WalletLock(folder / "wallets", 137, ADDRESS).release()


def test_the_lock_of_a_process_that_was_killed_is_free(folder: Path) -> None:
    code = (
        f"import sys\nfrom pathlib import Path\nfrom pmm_tui.venues.clob.keys import WalletLock\n"
        f"lock = WalletLock(Path({str(folder)!r}), 137, '0xAb')\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        with pytest.raises(WalletBusy, match=f"process {held.pid} "):
            WalletLock(folder, 137, "0xab")
        held.kill()
        held.wait(30)
    with WalletLock(folder, 137, "0xab") as lock:
        assert lock.path.read_text("ascii") == f"{os.getpid()}\n"
