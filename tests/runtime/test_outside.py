"""The monitor past the desk: real desks, a real exchange, a real node; what each of them says against the others."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from eth_account import Account
from msgspec.structs import replace
from typer.testing import CliRunner

from pmm_tui import cli
from pmm_tui.core.commands import Place
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.snapshot import FillRow, Frame
from pmm_tui.core.units import DOLLAR, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.node import NoNode, call, find_anvil
from pmm_tui.exchange.settlement import Settlement
from pmm_tui.runtime import fleet, outside
from pmm_tui.runtime.alerts import URLS
from pmm_tui.runtime.demo import exchange
from pmm_tui.runtime.monitor import Books, Known, Subject, see
from pmm_tui.runtime.outside import ask_outside, compared, differences
from pmm_tui.runtime.preflight import find_market
from pmm_tui.runtime.profile import load
from pmm_tui.runtime.watch import Finding, Look, Watch
from pmm_tui.venues.clob.keys import PASSWORD, PRIVATE_KEY, ApiCreds, KeysUnusable, Secret, make_keystore
from pmm_tui.venues.clob.port import Standing
from pmm_tui.venues.clob.reader import ADDRESS, Reader, ReadKey, find_read_key, keep_read_key, read_key_path
from tests.faces import pictures
from tests.runtime.live_stage import Stage, alive, ended, waited
from tests.runtime.test_alerts import Receiver

CREDS = ApiCreds(Secret("00000000-0000-0000-0000-000000000001"), Secret("c2VjcmV0LWNhbmFyeQ=="), Secret("pass-canary"))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An exchange that plays the demo's tape from inside its first market."""
    with exchange("demo", 900.0) as listening:
        yield listening


class Watched(Stage):
    """A wallet whose API key is kept where the monitor looks for it."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port, wallet_check_s=3600, keystore=f"{folder}/key.json")
        self.keystore = folder / "key.json"

    def enrol(self) -> None:
        """As its owner does it, once."""
        said = CliRunner().invoke(cli.app, ["monitor", "--enrol", self.profile], env=self.env)
        assert said.exit_code == 0, said.stderr
        assert self.account.key.hex() not in read_key_path(self.keystore).read_text()
        assert read_key_path(self.keystore).stat().st_mode & 0o777 == 0o600


@pytest.fixture
def stage(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    with tempfile.TemporaryDirectory(prefix="pmm") as folder:  # short enough for a socket
        wallet = Watched(Path(folder), port)
        wallet.home.env["TMPDIR"] = folder
        wallet.home.enter(monkeypatch)
        monkeypatch.setattr("tempfile.tempdir", folder)
        monkeypatch.setattr(outside, "APART_S", 0.3)
        yield wallet
        wallet.close()


def of(look: Look, what: str) -> Finding:
    """The one finding about this."""
    (found,) = [one for one in look.findings if one.what == what]
    return found


def test_a_desk_killed_with_resting_orders_is_told_within_one_round_and_its_orders_cancelled(stage: Watched) -> None:
    known, watch = Known(), Watch()
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        unasked = of(see([stage.profile], known), "venue orders")
        assert unasked.level == "unasked" and "no key" in unasked.why and "--enrol" in unasked.why
        said = CliRunner().invoke(cli.app, ["monitor", "--quiet", stage.profile])
        assert said.exit_code == 4 and "not asked: no key" in said.stdout
        stage.enrol()
        well = see([stage.profile], known)
        assert of(well, "venue orders").level == "ok", of(well, "venue orders")
        assert of(well, "chain").level == "unasked" and of(well, "venue").level == "ok"
        assert watch.take(well) == [], "what was not asked pages nobody"
        receiver = Receiver()
        try:
            with alive(stage.home.start("monitor", stage.profile, "--every", "1s", "--json", env={URLS: receiver.url})) as loop:
                assert loop.stdout is not None and json.loads(loop.stdout.readline())["level"] == "unasked"
                waited(lambda: bool(stage.open_orders()))
                desk.kill()
                desk.wait()
                looks = [json.loads(loop.stdout.readline()) for _ in range(2)]  # one may have begun before
                waited(lambda: bool(receiver.heard))
        finally:
            receiver.close()
        (first, *_) = next(look["findings"] for look in looks if look["level"] == "alarm")
        assert (first["what"], first["level"]) == ("venue orders", "alarm"), "the loudest comes first"
        assert "IS DEAD AND" in receiver.heard[0]["message"].splitlines()[0] and receiver.heard[0]["type"] == "failure"
        done = CliRunner().invoke(cli.app, first["why"].split("do: pmm-tui ")[1].split(" (")[0].split())
        assert done.exit_code == 0 and "no open order, read twice" in done.stdout and not stage.open_orders()
        assert of(see([stage.profile], known), "venue orders").level == "ok"


def test_a_foreign_order_and_one_that_the_venue_lost_are_alarms_and_a_read_only_look_needs_no_private_key(stage: Watched) -> None:
    stage.enrol()
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        (seen,) = fleet.running()
        assert seen.frame is not None
        fleet.tell(seen, "pause", {"market": ""})
        waited(lambda: not stage.open_orders())
        market = stage.ask(find_market(load(stage.profile)))
        assert market is not None
        by_hand = Place(900, market.id, market.yes, Side.BUY, market.tick, market.min_size, Kind.POST_ONLY)
        (leg,) = stage.ask(stage.clob().post([stage.clob().sign(by_hand, market, Nanos(seen.frame.snapshot.at))]))
        assert not leg.error
        look = see([stage.profile])
        assert PRIVATE_KEY not in os.environ
        strange = of(look, "venue orders")
        assert strange.level == "alarm" and leg.id[:10] in strange.why and "did not place" in strange.why
        desk.send_signal(signal.SIGSTOP)
        try:
            fleet_s, fleet.ANSWER_S = fleet.ANSWER_S, 0.2
            hung = of(see([stage.profile]), "venue orders")
        finally:
            fleet.ANSWER_S = fleet_s
            desk.send_signal(signal.SIGCONT)
        assert hung.level == "alarm" and "THE DESK HANGS AND 1 ORDERS REST" in hung.why
        assert ended(desk) == 0


class TestOrders:
    """One order of the desk that is open, and old enough."""

    def frame(self, **row: object) -> Frame:
        frame = pictures.live()
        one = frame.snapshot.orders[0]
        told = {"venue_id": "0xAB", "status": "OPEN", "sent_at": Nanos(frame.snapshot.at - 6 * SECOND)} | row
        return replace(frame, snapshot=replace(frame.snapshot, orders=(replace(one, **told),)))

    def rests(self, *ids: str) -> list[Standing]:
        return [Standing(id_, "0xm", "1", Side.BUY, Price(4_900), Size(5 * SHARE), Size(0), "LIVE") for id_ in ids]

    def test_what_both_know_is_no_difference_however_the_id_is_written(self) -> None:
        assert differences(self.rests("0xab"), self.frame().snapshot) == (set(), set())

    def test_what_one_alone_knows_is(self) -> None:
        assert differences(self.rests("0xab", "0xcd"), self.frame().snapshot) == ({"0xcd"}, set())
        assert differences((), self.frame().snapshot) == (set(), {"0xab"})

    @pytest.mark.parametrize("row", [{"status": "SENT"}, {"status": "CANCELLING"}, {"sent_at": pictures.NOW}, {"venue_id": ""}])
    def test_what_is_on_its_way_is_not_missed(self, row: dict[str, object]) -> None:
        assert differences((), self.frame(**row).snapshot) == (set(), set())

    def test_an_order_that_the_desk_shows_as_external_is_none_of_its_own(self) -> None:
        assert differences(self.rests("0xab"), self.frame(status="EXTERNAL").snapshot) == ({"0xab"}, set())


class Answers:
    """A venue that answers in turn."""

    def __init__(self, *answers: list[Standing]) -> None:
        self.answers = list(answers)

    async def open_orders(self) -> list[Standing]:
        """The next of them."""
        return self.answers.pop(0)


class TestTwice:
    """What differs once was on its way."""

    async def level(self, *answers: list[Standing]) -> tuple[str, int]:
        venue = Answers(*answers)
        found = await outside._judged(Subject("run", load("local-prod"), None, TestOrders().frame()), cast("Reader", venue))
        return found.level, len(venue.answers)

    async def test_what_agrees_is_read_once_and_what_differs_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outside, "APART_S", 0)
        rests = TestOrders().rests
        ours, other = rests("0xab"), rests("0xab", "0xcd")
        assert await self.level(ours, other) == ("ok", 1)
        assert await self.level(other, ours) == ("ok", 0)
        assert await self.level(other, rests("0xab", "0xef")) == ("ok", 0), "two different ones, each on its way"
        assert await self.level(other, other) == ("alarm", 0)
        assert await self.level([], ours) == ("ok", 0)
        assert await self.level([], []) == ("alarm", 0)


def test_what_can_no_longer_be_asked_has_not_become_well() -> None:
    watch, said = Watch(), []
    for number, level in enumerate(("alarm", "unasked", "unasked", "unasked", "ok", "ok")):
        lines = watch.take(Look(Nanos((number + 1) * 60 * SECOND), (Finding("run", "venue orders", level, "why"),)))
        said.append("".join(line.level for line in lines))
    assert said == ["alarm", "", "", "", "", "recovered"]


class TestKey:
    def test_none_from_a_file_and_from_the_environment(self, tmp_path: Path) -> None:
        keystore, address = tmp_path / "key.json", Account.create().address
        assert find_read_key(keystore, {}) is None
        environ = {"POLYMARKET_API_KEY": "k", "POLYMARKET_API_SECRET": "c2VjcmV0", "POLYMARKET_PASSPHRASE": "p"}
        assert find_read_key(keystore, environ) is None, "whose key it is must be known"
        found = find_read_key(keystore, environ | {ADDRESS: address})
        assert found is not None and found.address == address
        path = keep_read_key(keystore, ReadKey(address, CREDS))
        assert find_read_key(keystore, {}) == ReadKey(address, CREDS)
        assert "canary" not in repr(find_read_key(keystore, {}))
        path.chmod(0o640)
        with pytest.raises(KeysUnusable, match="allowed: 0600"):
            find_read_key(keystore, {})

    def test_the_account_stands_in_the_keystore_for_everybody_to_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pmm_tui.venues.clob.keys._SCRYPT_N", 2)
        address = make_keystore(tmp_path / "key.json", None, Secret("a long password"))
        environ = {"POLYMARKET_API_KEY": "k", "POLYMARKET_API_SECRET": "c2VjcmV0", "POLYMARKET_PASSPHRASE": "p", PASSWORD: "never asked"}
        found = find_read_key(tmp_path / "key.json", environ)
        assert found is not None and found.address.lower() == address.lower()

    @pytest.mark.parametrize("text", ["{}", "not json", '{"address": "0x1", "key": "a", "secret": "canary!", "passphrase": "c"}'])
    def test_a_broken_file_is_told_without_its_text(self, tmp_path: Path, text: str) -> None:
        path = read_key_path(tmp_path / "key.json")
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(KeysUnusable) as refused:
            find_read_key(tmp_path / "key.json", {})
        assert "canary" not in str(refused.value)


TOKENS = {"0xm": ("1", "2", 2)}


class TestChain:
    """$100 and ten of YES in the books, $150 on chain."""

    def frame(self, *fills: FillRow, yes: int = 10, payout: Price | None = None) -> Frame:
        frame = pictures.live()
        row = replace(frame.snapshot.markets[0], id="0xm", yes=Size(yes * SHARE), no=Size(0), payout_yes=payout)
        money = replace(frame.snapshot.money, cash=Cash(100 * DOLLAR))
        return replace(frame, snapshot=replace(frame.snapshot, markets=(row,), money=money, fills=fills))

    def said(self, frame: Frame, pusd: float, yes: float, before: Books | None = None) -> str:
        wrong, _ = compared(frame.snapshot, TOKENS, Cash(round(pusd * DOLLAR)), {"1": round(yes * SHARE), "2": 0}, before, "run")
        return "; ".join(wrong)

    def test_the_chain_may_hold_more_dollars_as_long_as_it_stays_so(self) -> None:
        wrong, books = compared(self.frame().snapshot, TOKENS, Cash(150 * DOLLAR), {"1": 10 * SHARE, "2": 0}, None, "run")
        assert not wrong and (books.aside, books.shares) == (50 * DOLLAR, {"1": 10 * SHARE, "2": 0})
        assert self.said(self.frame(), 150, 10, books) == ""
        assert self.said(self.frame(), 140, 10, books) == "$-10 of pUSD moved on chain that the desk's books do not know of"
        assert self.said(self.frame(), 90, 10) == "$90 on chain, $100 in the desk's books"

    def test_shares_are_the_same_but_for_what_is_not_settled(self) -> None:
        frame = self.frame()
        row = frame.snapshot.markets[0]
        assert "on chain, 10 in the desk's books" in self.said(frame, 150, 4)
        fill = replace(pictures.live().snapshot.fills[0], market="0xm", outcome=row.outcomes[0], size=Size(6 * SHARE), status="MATCHED")
        assert self.said(self.frame(fill), 150, 4) == ""
        assert self.said(self.frame(replace(fill, status="CONFIRMED")), 150, 4) != ""

    def test_what_a_decided_market_owes_counts_as_dollars_until_it_is_redeemed(self) -> None:
        frame = self.frame(payout=Price(10_000), yes=0)
        assert self.said(frame, 95, 10) == "" and self.said(frame, 95, 0) != ""


async def test_dollars_that_leave_the_wallet_on_chain_are_told_of_a_desk_and_after_its_death(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        find_anvil()
    except NoNode as missing:
        pytest.skip(str(missing))
    monkeypatch.setattr(outside, "APART_S", 0.05)
    account, other = Account.create().address, "0x" + "77" * 20
    settlement = await Settlement.open()
    try:
        await settlement.fund(account, Cash(100 * DOLLAR))
        path = tmp_path / "local.yaml"
        path.write_text(f"mode: live\nwallet: '{account}'\nrpc_url: {settlement.url}\nkeystore: {tmp_path}/none.json\n")
        frame = pictures.live()
        money = replace(frame.snapshot.money, cash=Cash(40 * DOLLAR))
        card = replace(frame.card, account=f"{account[:6]}…{account[-4:]}")
        frame = replace(frame, card=card, snapshot=replace(frame.snapshot, markets=(), fills=(), money=money))
        subject, known = Subject("run", load(str(path)), None, frame), Known()

        async def chain(one: Subject) -> Finding:
            return (await ask_outside(one, known, {}))[1]

        assert (await chain(subject)).level == "ok"
        await settlement.node.send(account, settlement.chain.pusd, call("transfer", ("address", "uint256"), other, 7 * DOLLAR))
        found = await chain(subject)
        assert found.level == "alarm" and "$-7 of pUSD moved" in found.why
        dead = await chain(replace(subject, frame=None))
        assert dead.level == "warn" and dead.why == "since the desk's last word: $-7 of pUSD"
        stranger = replace(frame, card=replace(frame.card, account="0x1111…1111"))
        assert (await chain(replace(subject, frame=stranger))).level == "unasked"
    finally:
        await settlement.close()
    away = await chain(subject)
    assert away.level == "warn" and "could not be asked" in away.why
