"""Profiles: the shipped ones carry their history; a wrong one is refused with file, line, field, found and allowed, and without secrets."""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from pmm_tui.core.knobs import Knobs
from pmm_tui.core.selection import TargetingKnobs
from pmm_tui.feeds.discovery import GammaKnobs
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.runtime.knobs_model import GROUPS, KNOBS, RunSettings, gather
from pmm_tui.runtime.profile import Complaint, Profile, ProfileRefused, diff, find, folders, list_profiles, load, packaged
from pmm_tui.venues.paper.fills import PaperKnobs

SHIPPED = ["demo", "demo-live", "local-prod", "prod-001", *(f"run-00{n}" for n in range(1, 8))]


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No profile, and no variable, of the person who runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith("PMM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def written(text: str | bytes, name: str = "mine.yaml") -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return f"./{name}"


def complaints(text: str | bytes) -> list[Complaint]:
    with pytest.raises(ProfileRefused) as refused:
        load(written(text))
    return list(refused.value.complaints)


def complaint(text: str | bytes) -> Complaint:
    (one,) = complaints(text)
    return one


class TestShipped:
    def test_every_one_is_listed_and_valid(self) -> None:
        listed = {one.name: one for one in list_profiles()}
        assert sorted(listed) == SHIPPED
        assert [one.complaints for one in listed.values()] == [()] * len(SHIPPED)
        assert all(Path(one.file).parent == packaged() for one in listed.values())

    def test_the_history_of_the_runs(self) -> None:
        runs = {n: load(f"run-00{n}") for n in range(1, 8)}
        assert all(run.values["initial_balance"] == 500 for run in runs.values())
        assert all(run.run().source == "live" and run.run().markets == ("auto",) for run in runs.values())
        halts = {n: run.knobs().kill.kill_switch_max_drawdown_pct for n, run in runs.items()}
        assert (halts[4], halts[5], halts[6], halts[7]) == (10, 25, 25, 25)
        assert all(runs[n].knobs().kill.kill_switch_alert_pct == 15 for n in (5, 6, 7))
        assert [n for n, run in runs.items() if run.knobs().shape.complement_routing] == [4]
        assert [n for n, run in runs.items() if run.paper().venue_position_shares_max] == [2]
        assert [n for n, run in runs.items() if run.knobs().shape.bid_suppress_when_saturated] == [3, 4, 5, 6, 7]
        assert [n for n, run in runs.items() if run.paper().fill_model == "queue"] == [6]

    def test_run_007_is_the_adversarial_venue(self) -> None:
        run = load("run-007")
        knobs, paper = run.knobs(), run.paper()
        assert (paper.adverse_selection_bps, paper.maker_fee_bps, paper.fill_distance_decay) == (10, -20, True)
        assert 0.20 <= paper.fill_probability <= 0.25
        assert (knobs.maker.default_order_size, knobs.maker.default_half_spread_bps, knobs.maker.gamma_risk_aversion) == (25, 50, 0.3)
        assert (knobs.desk.quote_interval_s, knobs.shape.max_position_size) == (2, 500)

    def test_the_demo_plays_the_tape_that_comes_with_the_program(self) -> None:
        demo = load("demo")
        assert demo.run() == RunSettings(source="tape", tape="demo", speed=1.0, beside="demo-live")
        assert demo.paper().fill_model == "coin"
        beside = load(demo.run().beside)
        assert beside.is_live and beside.is_loopback
        alike = msgspec.structs.replace(beside.knobs(), desk=demo.knobs().desk, reference=demo.knobs().reference)
        assert alike == demo.knobs(), "what stands side by side quotes alike"

    def test_the_production_desks_quote_btc_by_its_reference_and_the_tape_which_has_none_does_not(self) -> None:
        needs = {name: load(name).knobs().reference.reference_markets for name in ("prod-001", "local-prod", "demo-live", "demo")}
        assert needs.pop("demo") == () and set(needs.values()) == {("btc-updown-*", "bitcoin-up-or-down-*")}


class TestGathering:
    def test_an_empty_file_is_every_default(self) -> None:
        profile = load(written("# nothing\n"))
        assert profile.name == "mine" and profile.file == "mine.yaml"
        assert profile.knobs() == Knobs() and profile.paper() == PaperKnobs() and profile.run() == RunSettings()
        assert (profile.targeting(), profile.gamma(), profile.market_ws()) == (TargetingKnobs(), GammaKnobs(), MarketWsKnobs())

    def test_every_field_of_every_group_is_a_parameter_with_a_meaning(self) -> None:
        assert len(KNOBS) == sum(len(msgspec.structs.fields(struct)) for struct in GROUPS.values())
        for knob in KNOBS.values():
            assert knob.about, f"{knob.name} says nothing of what it means"
            assert knob.allowed, knob.name

    def test_a_name_declared_twice_is_a_defect(self) -> None:
        class Again(Struct, frozen=True):
            levels: Annotated[int, Meta(ge=1, description="again")] = 1

        with pytest.raises(TypeError, match="levels is declared in maker and in again"):
            gather({"maker": GROUPS["maker"], "again": Again})

    def test_every_default_is_allowed_and_every_bound_is_the_structs_own(self) -> None:
        for knob in KNOBS.values():
            lines = f"{knob.name}: {msgspec.json.encode(knob.default).decode()}\n"
            if knob.name not in ("tape", "logs", "api_socket"):
                assert load(written(lines)).values[knob.name] == knob.default

    def test_values_reach_the_structs(self) -> None:
        profile = load(
            written("levels: 3\nfill_model: bbo\nspeed: max\nmaker_fee_bps:\nmarkets: [a-slug, btc-updown-15m-*]\nwarm_up_s: 7\n")
        )
        assert profile.knobs().maker.levels == 3 and profile.knobs().risk.warm_up_s == 7.0
        assert profile.paper().fill_model == "bbo" and profile.paper().maker_fee_bps is None
        assert profile.run().speed == "max" and profile.run().markets == ("a-slug", "btc-updown-15m-*")

    def test_ids_that_yaml_would_read_as_numbers_stay_as_written(self) -> None:
        condition, token = "0x" + "1a" * 32, "7" * 77
        profile = load(written(f"markets:\n  - {condition}\n  - {token}\nlogs: no\n"))
        assert profile.run().markets == (condition, token) and profile.run().logs == "no"
        assert load(written(f"markets: {token}\n")).run().markets == (token,)


class TestRefusal:
    def test_all_mistakes_of_a_file_at_once_with_their_lines(self) -> None:
        text = """\
fill_probabilty: 0.3
fill_probability: 22%
levels: 2
levels: 3
speed: fast
maker:
  levels: 3
quote_interval_s: .nan
complement_routing: 1
kill_switch_alert_pct: 30
default_order_size: "25"
markets: [btc-updown-*]
market_ws_url: https://x
max_position_size: -1
vol_samples_min: 2.5
fill_model: dice
"""
        found = complaints(text)
        assert [one.line for one in found] == [1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16]
        assert all(one.file == "mine.yaml" and one.found and one.allowed for one in found)
        by_line = {one.line: str(one) for one in found}
        assert (
            by_line[1].startswith("mine.yaml:1: fill_probabilty: found an unknown key") and "did you mean fill_probability?" in by_line[1]
        )
        assert by_line[2].startswith("mine.yaml:2: fill_probability: found '22%'; allowed: a number from 0 to 1")
        assert "the key again; allowed: once; it stands on line 3" in by_line[4]
        assert "allowed: a number above 0 and at most 100000 or max" in by_line[5]
        assert "found a section" in by_line[6] and "found nan" in by_line[8] and "allowed: true or false" in by_line[9]
        assert "found 30.0; allowed: below kill_switch_max_drawdown_pct, 25.0" in by_line[10]
        assert "found '25'; allowed: a number above 0" in by_line[11]
        assert "with its length" in by_line[12] and "a ws:// or wss:// URL" in by_line[13]
        assert "allowed: bbo, coin or queue" in by_line[16]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("levels: 2\nspeed: [1\n", 3),
            ("levels: 2\n\tspeed: 1\n", 2),
            ("levels: 2\nspeed: 'open\n", 3),
            ("levels: *nowhere\n", 1),
            ("speed: !!python/object/apply:os.system ['true']\n", 1),
            ("levels: 2\n---\nlevels: 3\n", 2),
            ("- levels\n- 2\n", 1),
            ("levels\n", 1),
            (b"levels: 2\nlogs: \xff\xfe\n", 2),
            ("levels: 2\n\nlogs: a\x07b\n", 3),
            ("levels: &a [*a]\n", 1),
            ("markets: &a [*a]\n", 0),
            ("speed: " + "[" * 5000 + "\n", 0),
            ("# " + "x" * (1 << 20), 0),
        ],
    )
    def test_what_is_no_profile_at_all_is_refused_at_its_line(self, text: str | bytes, line: int) -> None:
        assert complaint(text).line == line

    @pytest.mark.parametrize(
        ("text", "field", "allowed"),
        [
            ("default_order_size: 600\n", "default_order_size", "at most max_position_size, 500.0"),
            ("source: tape\n", "tape", "the tape to play"),
            ("mode: live\nsource: tape\ntape: demo\n", "source", "live, because mode is live"),
            ("ws_backoff_first_s: 50\n", "ws_backoff_first_s", "at most ws_backoff_max_s"),
            ("kill_switch_alert_pct: 25\n", "kill_switch_alert_pct", "below kill_switch_max_drawdown_pct"),
        ],
    )
    def test_values_that_do_not_go_together(self, text: str, field: str, allowed: str) -> None:
        one = complaint(text)
        assert one.field == field and allowed in one.allowed

    def test_a_value_refused_by_itself_is_not_blamed_for_its_neighbour(self) -> None:
        found = complaints("kill_switch_max_drawdown_pct: none\nkill_switch_alert_pct: 90\n")
        assert [one.field for one in found] == ["kill_switch_max_drawdown_pct"]

    def test_F80_two_hundred_mutated_profiles_are_each_refused_at_the_mutated_line(self) -> None:
        chance = Random(80)
        lines = (packaged() / "run-007.yaml").read_text().splitlines()
        spots = [n for n, line in enumerate(lines) if ":" in line and not line.startswith("#")]
        mutations: list[Callable[[str, str], tuple[str, str]]] = [
            lambda key, value: (key[:-1], value),
            lambda key, value: (key + "_usd", value),
            lambda key, value: (key.upper(), value),
            lambda key, value: (key, f"-{value.lstrip('-')}00000"),
            lambda key, value: (key, f"{value}e"),
            lambda key, value: (key, f"{value} %"),
            lambda key, value: (key, ".inf"),
            lambda key, value: (key, ".nan"),
            lambda key, value: (key, f"[{value}]"),
            lambda key, value: (key, "{" + f"a: {value}" + "}"),
            lambda key, value: (key, "2026-01-01"),
        ]
        for _ in range(200):
            at = chance.choice([n for n in spots if not lines[n].startswith("markets")])
            key, value = lines[at].partition("#")[0].split(":")
            wrong_key, wrong_value = chance.choice(mutations)(key.strip(), value.strip())
            mutated = [*lines[:at], f"{wrong_key}: {wrong_value}", *lines[at + 1 :]]
            try:
                load(written("\n".join(mutated)))
            except ProfileRefused as refused:
                assert refused.complaints[0].line == at + 1, f"{lines[at]} -> {mutated[at]}: {refused}"
            else:
                pytest.fail(f"taken: {mutated[at]}")


class TestSecrets:
    CANARY = "0xc0ffee254729296a45a3885639ac7e10f9d54979c0ffee254729296a45a38856"

    @pytest.mark.parametrize(
        "line",
        [
            "private_key: {}",
            "POLYMARKET_API_KEY: {}",
            "passphrase: {}",
            "levels: {}",
            "levels: '{}'",
            "levels: [{}]",
            "unknown: '{}'",
            "{}: 1",
            "gamma_url: https://me:{}@example.org/",
            "gamma_url: https://me:short-password@example.org/",
            "fill_model: {}",
            "markets: [btc-{}-*]",
            "levels: *{}",
            "levels: [{}",
            "maker: {{a: {}}}",
            "tape: '{}\x07'",
        ],
    )
    def test_F82_no_message_shows_a_secret(self, line: str) -> None:
        found = complaints(line.format(self.CANARY) + "\n")
        text = "".join(str(one) + repr(one) for one in found)
        for secret in (self.CANARY, self.CANARY[2:34], "c0ffee", "short-password"):
            assert secret not in text

    def test_a_secret_in_the_file_is_refused_though_the_environment_may_have_it(self) -> None:
        one = complaint("levels: 2\napi_secret: abc\n")
        assert (one.line, one.found, one.allowed) == (2, "(not shown)", "nothing: secrets come from the environment only")

    def test_a_secret_in_the_environment_is_not_shown_either(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PMM_LEVELS", self.CANARY)
        one = complaint("")
        assert one.file == "environment" and one.field == "PMM_LEVELS" and "c0ffee" not in str(one)


class TestEnvironment:
    def test_it_goes_before_the_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, text in {
            "LEVELS": "4",
            "speed": "max",
            "MARKETS": "[a, b]",
            "MAKER_FEE_BPS": "-20",
            "COMPLEMENT_ROUTING": "false",
            "SEED": "",
        }.items():
            monkeypatch.setenv("PMM_" + name, text)
        profile = load(written("levels: 2\nspeed: 3\n"))
        assert profile.knobs().maker.levels == 4 and profile.run().speed == "max" and profile.run().markets == ("a", "b")
        assert profile.paper().maker_fee_bps == -20.0 and profile.knobs().shape.complement_routing is False
        assert profile.run().seed == RunSettings().seed, "an empty variable says nothing"

    def test_it_rescues_a_wrong_value_of_the_file_and_a_wrong_one_is_named_by_its_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        path = written("levels: none\n")
        monkeypatch.setenv("PMM_LEVELS", "4")
        assert load(path).knobs().maker.levels == 4
        monkeypatch.setenv("PMM_LEVELS", "400")
        monkeypatch.setenv("PMM_LEVLES", "4")
        first, second = complaints("speed: 2\n")
        assert str(first).startswith("environment: PMM_LEVELS: found 400; allowed: a whole number from 1 to 20")
        assert second.field == "PMM_LEVLES" and second.hint == "did you mean levels?"

    def test_a_condition_id_stays_as_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PMM_MARKETS", "0x" + "1a" * 32)
        assert load(written("")).run().markets == ("0x" + "1a" * 32,)


class TestFinding:
    def test_the_first_folder_wins(self, tmp_path: Path) -> None:
        here, own, shipped = folders()
        assert (here, own, shipped) == (Path("profiles"), tmp_path / "config" / "pmm-tui" / "profiles", packaged())
        assert find("run-001") == shipped / "run-001.yaml"
        own.mkdir(parents=True)
        (own / "run-001.yaml").write_text("levels: 5\n")
        (own / "mine.yml").write_text("levels: 6\n")
        assert load("run-001").knobs().maker.levels == 5 and load("mine").knobs().maker.levels == 6
        here.mkdir()
        (here / "run-001.yaml").write_text("levels: 7\n")
        assert load("run-001").knobs().maker.levels == 7
        assert load(str(shipped / "run-001.yaml")).name == "run-001"

    def test_a_name_that_is_not_there_says_what_is(self) -> None:
        with pytest.raises(ProfileRefused, match=r"'run-070', which is no such file.*local-prod, .*did you mean run-007\?"):
            load("run-070")
        with pytest.raises(ProfileRefused, match="looked in profiles"):
            load("zzz")
        with pytest.raises(ProfileRefused, match="no such file"):
            load("./nowhere.yaml")

    def test_a_listing_checks_each_and_keeps_going(self) -> None:
        Path("profiles").mkdir()
        Path("profiles/broken.yaml").write_text("levels: 0\nfoo: 1\n")
        Path("profiles/notes.txt").write_text("not a profile\n")
        listed = {one.name: one for one in list_profiles()}
        assert sorted(listed) == ["broken", *SHIPPED]
        assert [one.line for one in listed["broken"].complaints] == [1, 2] and not listed["demo"].complaints

    def test_an_unreadable_file_is_refused(self) -> None:
        Path("folder.yaml").mkdir()
        with pytest.raises(ProfileRefused, match="no such file"):
            load("./folder.yaml")


class TestDiff:
    def of(self, text: str) -> Profile:
        return load(written(text))

    def test_what_changed_and_what_may_change_while_running(self) -> None:
        changes = diff(
            self.of("levels: 2\n"), self.of("levels: 3\ninitial_balance: 900\nfill_probability: 0.1\nmarkets: a\ngamma_poll_s: 9\n")
        )
        safe: dict[str, Any] = {change.name: (change.old, change.new) for change in changes if change.safe}
        assert safe == {"levels": (2, 3)}
        assert {change.name for change in changes if not change.safe} == {"initial_balance", "fill_probability", "markets", "gamma_poll_s"}
        texts = [str(change) for change in changes]
        assert "levels: 2 -> 3" in texts and "initial_balance: 500.0 -> 900.0 (needs a restart)" in texts

    def test_nothing_changed_is_no_change(self) -> None:
        assert diff(self.of("levels: 2\n"), self.of("# by default\nlevels: 2\nwarm_up_s: 2\n")) == ()
