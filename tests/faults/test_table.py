"""The table itself: every fault has a test or a reason, and nothing in it is made up."""

from pathlib import Path

import pytest

from tests.faults import table

TESTS = Path(__file__).resolve().parents[1]


def test_every_fault_has_a_test_or_a_reason() -> None:
    known = table.written(TESTS)
    assert [number for number in table.numbers() if not known.get(number) and number not in table.WHY_NOT] == []
    assert not known.keys() - set(table.numbers())
    assert all(len(reason.split()) >= 5 for reason in table.WHY_NOT.values())


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("test_F21_F22_booked_but_not_answered", ["F21", "F22"]),
        ("test_f12_a_number_is_a_string", ["F12"]),
        ("test_causes_F21_what_comes_back", []),
        ("test_nothing_of_F01", []),
        ("test_F1_is_no_number", []),
    ],
)
def test_a_name_says_which_faults_a_test_proves(name: str, faults: list[str]) -> None:
    assert table.named(name) == faults


def test_marks_and_names_are_read_from_the_source(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        'import pytest\n\n@pytest.mark.fault("F07", "F08")\ndef test_a() -> None: ...\n\nasync def test_F09_b() -> None: ...\n'
        "\nclass TestC:\n    def test_F10_F11_c(self) -> None: ...\n"
    )
    assert table.written(tmp_path) == dict.fromkeys(("F07", "F08", "F09", "F10", "F11"), 1)


def test_the_lines_say_what_passed_what_failed_what_was_not_run_and_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "WHY_NOT", {"F05": "it cannot be caused"})
    told = table.lines({"F01": 3, "F02": 1}, ["F02"], {"F01": 3, "F02": 2, "F03": 1})
    assert told[:6] == [
        "A. Market data: 3 of 20",
        "  F01  3 passed",
        "  F02  FAILED",
        "  F03  1 not run here",
        "  F04  NO TEST, AND NO REASON",
        "  F05  it cannot be caused",
    ]
    assert told[-1] == "3 of 84 faults have a test; the others have a reason" and len(told) == 84 + 6 + 1
