"""Real money needs every yes: each missing one is named, and nothing starts; keys travel to a desk by its standard input alone."""

import io
import stat
from pathlib import Path

import pytest
from eth_account import Account
from msgspec.structs import replace

from pmm_tui.runtime.consent import Check, consent, find_keys, keep_preflight, last_preflight, pack, preflight_path, read_preflight, unpack
from pmm_tui.runtime.places import CannotStart, practice_path
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.runtime.run import Options
from pmm_tui.runtime.start import agreed
from pmm_tui.venues.clob.keys import PRIVATE_KEY, ApiCreds, Keys, KeysUnusable, Secret, default_keystore, make_keystore
from tests.runtime.scene import Home

KEY = Account.from_key("0x" + "11" * 32)
WALLET = str(KEY.address)
NODE = Secret("https://node.example")
PASSED = (Check("balance", True, "$25"),)


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    Home(tmp_path).enter(monkeypatch)
    return load("prod-001")


def test_the_flag_is_a_yes(real: Profile) -> None:
    keep_preflight(real, WALLET, PASSED)
    with pytest.raises(CannotStart, match="start it with --live"):
        consent(real, False, WALLET[-4:], WALLET, None)


def test_the_preflight_is_one_for_these_values_this_wallet_and_today(real: Profile) -> None:
    for stale in (None, replace(real, values=real.values | {"levels": 3}), real):
        if stale is not None:
            keep_preflight(stale, WALLET, PASSED)
        if stale is real:
            kept = read_preflight(real, WALLET)
            assert kept is not None
            path = preflight_path(real, WALLET)
            path.write_bytes(path.read_bytes().replace(kept.day.encode(), b"2026-01-01"))
        with pytest.raises(CannotStart, match="no preflight of this profile and wallet passed today"):
            consent(real, True, WALLET[-4:], WALLET, None)
    keep_preflight(real, WALLET, PASSED)
    with pytest.raises(CannotStart, match="no preflight"):
        consent(real, True, "beef", "0x" + "be" * 20, None)
    consent(real, True, WALLET[-4:], WALLET, None)
    for _ in range(2):
        keep_preflight(real, WALLET, (*PASSED, Check("clock", False, "3 s")))
        with pytest.raises(CannotStart, match="no preflight"):
            consent(real, True, WALLET[-4:], WALLET, None)


def test_the_last_one_is_told_by_name_and_wallet_with_why_it_does_not_count(real: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    short = f"{WALLET[:6]}…{WALLET[-4:]}"
    assert last_preflight("prod-001", short) is None
    kept = keep_preflight(real, WALLET, PASSED)
    assert last_preflight("prod-001", short) == (kept, "")
    assert last_preflight("prod-001", "0x0000…0000") is None and last_preflight("prod-002", short) is None
    failed = keep_preflight(real, WALLET, (*PASSED, Check("clock", False, "3 s")))
    assert last_preflight("prod-001", short) == (failed, "the last one failed")
    keep_preflight(real, WALLET, PASSED)
    monkeypatch.setenv("PMM_LEVELS", "3")
    found = last_preflight("prod-001", short)
    assert found is not None and found[1] == "the profile has changed since the last one"


@pytest.mark.parametrize("typed", ["", "0000", WALLET[-5:]])
def test_the_wallet_is_typed(real: Profile, typed: str) -> None:
    keep_preflight(real, WALLET, PASSED)
    with pytest.raises(CannotStart, match="last 4 characters"):
        consent(real, True, typed, WALLET, None)
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return WALLET[-4:].upper()

    consent(real, True, "", WALLET, ask)
    assert len(asked) == 1 and "REAL MONEY" in asked[0] and WALLET[-4:] not in asked[0]


def test_with_every_yes_it_may_start_and_loopback_needs_none(real: Profile) -> None:
    keep_preflight(real, WALLET, PASSED)
    consent(real, True, WALLET[-4:].lower(), WALLET, None)
    consent(load("local-prod"), False, "", WALLET, None)
    assert stat.S_IMODE(preflight_path(real, WALLET).stat().st_mode) == 0o600


def test_a_desk_that_gets_its_keys_by_stdin_needs_every_yes_too(real: Profile) -> None:
    line = pack(Keys(KEY, rpc_url=NODE))
    with pytest.raises(CannotStart, match="--live"):
        agreed(real, Options("prod-001"), io.BytesIO(line))
    keep_preflight(real, WALLET, PASSED)
    keys = agreed(real, Options("prod-001", live=True, confirm=WALLET[-4:]), io.BytesIO(line))
    assert keys is not None and keys.account.address == WALLET
    with pytest.raises(CannotStart, match="no preflight"):
        edited = replace(real, values=real.values | {"initial_balance": 2_500.0})
        agreed(edited, Options("prod-001", live=True, confirm=WALLET[-4:]), io.BytesIO(line))


def test_real_money_needs_a_node_of_the_chain(real: Profile) -> None:
    keep_preflight(real, WALLET, PASSED)
    with pytest.raises(CannotStart, match=r"prod-001\.yaml: rpc_url: no node of the chain is named: .* or POLYGON_RPC_URL"):
        agreed(real, Options("prod-001", live=True, confirm=WALLET[-4:]), io.BytesIO(pack(Keys(KEY))))


def test_the_node_that_systemd_keeps_is_found(real: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "node-url").write_text("https://node.example/secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv(PRIVATE_KEY, "11" * 32)
    keys = find_keys(real, lambda: "", print)
    assert keys.rpc_url == Secret("https://node.example/secret") and "secret" not in repr(keys)


def asked() -> str:
    """Nobody is to be asked for a password."""
    raise AssertionError("a password was asked for")


def test_loopback_never_signs_with_the_users_own_key(
    real: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pmm_tui.venues.clob.keys._SCRYPT_N", 2)
    assert make_keystore(default_keystore(), Secret("11" * 32), Secret("password")) == WALLET
    local = load("local-prod")
    practice = find_keys(local, asked, print).account.address
    assert practice != WALLET and find_keys(real, lambda: "password", print).account.address == WALLET
    assert find_keys(local, asked, print).account.address == practice, "the next start finds what this one left"
    (kept,) = practice_path(local).parent.iterdir()
    assert kept == practice_path(local) and stat.S_IMODE(kept.stat().st_mode) == 0o600
    other = tmp_path / "local-prod.yaml"
    other.write_bytes(Path(local.file).read_bytes())
    assert find_keys(load(str(other)), asked, print).account.address != practice
    other.write_text(f"{other.read_text()}\nkeystore: {default_keystore()}\n")
    assert find_keys(load(str(other)), lambda: "password", print).account.address == WALLET, "unless the profile says so"
    monkeypatch.setenv(PRIVATE_KEY, "22" * 32)
    assert find_keys(local, asked, print).account.address not in (practice, WALLET), "or the environment"
    kept.write_text("{")
    with pytest.raises(KeysUnusable, match="no key; remove it"):
        find_keys(local, asked, print)


def test_keys_come_through_whole_and_garbage_is_told_without_its_text() -> None:
    keys = Keys(KEY, ApiCreds(Secret("a"), Secret("b"), Secret("c")), Secret("http://node/secret"))
    again = unpack(pack(keys))
    assert again.account.address == WALLET and again.api == keys.api and again.rpc_url == keys.rpc_url
    for garbage in (b"", b"{}", b'["zz",""]', b'["' + b"0" * 64 + b'",""]', b'["' + b"11" * 32 + b'","","one"]'):
        with pytest.raises(KeysUnusable) as refused:
            unpack(garbage)
        assert "no keys on standard input" in str(refused.value) and "zz" not in str(refused.value)


def test_the_first_real_money_is_what_it_says(real: Profile) -> None:
    knobs = real.knobs()
    assert (knobs.desk.initial_balance, knobs.maker.default_order_size, knobs.desk.quote_interval_s) == (25, 5, 5)
    assert (knobs.kill.kill_switch_max_drawdown_pct, knobs.kill.kill_switch_alert_pct) == (20, 15)
    assert knobs.desk.own_orders_in_book and knobs.desk.redeem_by_hand, "with real money these are no choice"
    assert real.is_live and not real.is_loopback and load("local-prod").is_loopback
