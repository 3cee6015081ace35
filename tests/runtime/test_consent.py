"""Real money needs every yes: each missing one is named, and nothing starts; keys travel to a desk by its standard input alone."""

import io
import stat
from pathlib import Path

import pytest
from eth_account import Account
from msgspec.structs import replace

from pmm_tui.runtime.consent import consent, forget_passed, keep_passed, pack, passed_path, read_passed, unpack
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.runtime.run import Options
from pmm_tui.runtime.start import agreed
from pmm_tui.venues.clob.keys import ApiCreds, Keys, KeysUnusable, Secret
from tests.runtime.scene import Home

KEY = Account.from_key("0x" + "11" * 32)
WALLET = str(KEY.address)


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    Home(tmp_path).enter(monkeypatch)
    return load("prod-001")


def test_the_flag_is_a_yes(real: Profile) -> None:
    keep_passed(real, WALLET)
    with pytest.raises(CannotStart, match="start it with --live"):
        consent(real, False, WALLET[-4:], WALLET, None)


def test_the_preflight_is_one_for_these_values_this_wallet_and_today(real: Profile) -> None:
    for stale in (None, replace(real, values=real.values | {"levels": 3}), real):
        if stale is not None:
            keep_passed(stale, WALLET)
        if stale is real:
            kept = read_passed(real, WALLET)
            assert kept is not None
            path = passed_path(real, WALLET)
            path.write_bytes(path.read_bytes().replace(kept.day.encode(), b"2026-01-01"))
        with pytest.raises(CannotStart, match="no preflight of this profile and wallet passed today"):
            consent(real, True, WALLET[-4:], WALLET, None)
    keep_passed(real, WALLET)
    with pytest.raises(CannotStart, match="no preflight"):
        consent(real, True, "beef", "0x" + "be" * 20, None)
    consent(real, True, WALLET[-4:], WALLET, None)
    for _ in range(2):
        forget_passed(real, WALLET)
        with pytest.raises(CannotStart, match="no preflight"):
            consent(real, True, WALLET[-4:], WALLET, None)


@pytest.mark.parametrize("typed", ["", "0000", WALLET[-5:]])
def test_the_wallet_is_typed(real: Profile, typed: str) -> None:
    keep_passed(real, WALLET)
    with pytest.raises(CannotStart, match="last 4 characters"):
        consent(real, True, typed, WALLET, None)
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return WALLET[-4:].upper()

    consent(real, True, "", WALLET, ask)
    assert len(asked) == 1 and "REAL MONEY" in asked[0] and WALLET[-4:] not in asked[0]


def test_with_every_yes_it_may_start_and_loopback_needs_none(real: Profile) -> None:
    keep_passed(real, WALLET)
    consent(real, True, WALLET[-4:].lower(), WALLET, None)
    consent(load("local-prod"), False, "", WALLET, None)
    assert stat.S_IMODE(passed_path(real, WALLET).stat().st_mode) == 0o600


def test_a_desk_that_gets_its_keys_by_stdin_needs_every_yes_too(real: Profile) -> None:
    line = pack(Keys(KEY))
    with pytest.raises(CannotStart, match="--live"):
        agreed(real, Options("prod-001"), io.BytesIO(line))
    keep_passed(real, WALLET)
    keys = agreed(real, Options("prod-001", live=True, confirm=WALLET[-4:]), io.BytesIO(line))
    assert keys is not None and keys.account.address == WALLET
    with pytest.raises(CannotStart, match="no preflight"):
        edited = replace(real, values=real.values | {"initial_balance": 2_500.0})
        agreed(edited, Options("prod-001", live=True, confirm=WALLET[-4:]), io.BytesIO(line))


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
