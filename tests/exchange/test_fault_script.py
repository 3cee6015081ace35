"""The script of faults as a file: the sample holds, and every mistake is named with its place."""

from pathlib import Path
from random import Random

import pytest

from pmm_tui.exchange.fault_file import read
from pmm_tui.exchange.fault_script import ScriptRefused, parse
from pmm_tui.exchange.faults import Faults
from tests.exchange.fault_scene import (
    START,
    conduct,
)


def test_the_sample_is_read_and_strikes() -> None:
    script = read(Path(__file__).with_name("faults.yaml"))
    assert len(script.entries) == 17
    assert (script.seed, script.wild[0].rate) == (7, 1.0)
    sample = Faults(script, Random(script.seed), START)
    conduct(sample, 1_200)
    assert {"post_books_but_times_out", "restart", "market_freeze", "heartbeat_lost", "cancel_lost"} <= sample.struck.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {at: 1, what: restrat}", "f.yaml: entry 1: what: found 'restrat'; allowed: one of post_books_but_times_out, "),
        ("- {at: 1}", "f.yaml: entry 1: what: found nothing; allowed: one of "),
        ("- {at: 1, what: restart, shar: 1}", "f.yaml: entry 1: shar: found 1; allowed: no such field; only what, at, for, share, times, "),
        ("- {at: 1, what: slow, share: 2}", "f.yaml: entry 1: share: found 2; allowed: a number from 0 to 1"),
        ("- {at: 1, what: slow, share: .nan}", "f.yaml: entry 1: share: found nan; allowed: a number from 0 to 1"),
        ("- {at: 1, what: slow, ms: true}", "f.yaml: entry 1: ms: found true; allowed: a number from 0 to 600000"),
        ("- {at: 1, what: slow, for: -1}", "f.yaml: entry 1: for: found -1; allowed: a number from 0 to 1e+09"),
        ("- {at: [9, 1], what: slow}", "f.yaml: entry 1: at: found [9, 1]; allowed: seconds from the start, or [from, to]"),
        ("- {what: slow}", "f.yaml: entry 1: at: found nothing; allowed: seconds from the start, or [from, to]"),
        ("- {at: 0, what: heartbeat_lost, how: 404}", "f.yaml: entry 1: how: found 404; allowed: silence, 401, 500, mismatch"),
        ("- {at: 0, what: stale_balance, heeds_update: 1}", "f.yaml: entry 1: heeds_update: found 1; allowed: true or false"),
        ("- {seed: 1, rate: 1, only: [nothing]}", "f.yaml: entry 1: only: found ['nothing']; allowed: a list of "),
        ("- {seed: 1, rats: 1}", "f.yaml: entry 1: rats: found 1; allowed: no such field; only only, seed, rate, until, mean_s"),
        ("- 7", "f.yaml: entry 1: found 7; allowed: an entry with `what` and `at`, or with `seed` and `rate`"),
        ("7", "f.yaml: found 7; allowed: a list of entries"),
        ("- {at: 1, what: [", "no YAML: "),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(ScriptRefused) as refused:
        read(path)
    (complaint,) = refused.value.complaints
    assert said in complaint


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ScriptRefused) as refused:
        parse([{"at": 0, "what": "slow", "share": 2, "m": 1}, {"what": "nothing"}], "f.yaml")
    assert [complaint.partition(": found")[0] for complaint in refused.value.complaints] == [
        "f.yaml: entry 1: m",
        "f.yaml: entry 1: share",
        "f.yaml: entry 2: what",
    ]
    with pytest.raises(ScriptRefused, match="No such file"):
        read(tmp_path / "missing.yaml")
