"""Numbers and strings as the operator reads them, and nothing that could steer a terminal."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pmm_tui.core.units import SHARE, Cash, Size
from pmm_tui.tui import format as f

NAN = float("nan")


@pytest.mark.parametrize(
    ("made", "read"),
    [
        (f.cents(5_200, 100), "52.0"),
        (f.cents(5_230, 10), "52.3"),
        (f.cents(5_225, 25), "52.25"),
        (f.cents(5_205, 50), "52.0"),
        (f.cents(1, 1), "0.01"),
        (f.cents_of(0.52448), "52.45"),
        (f.cents_of(NAN), "–"),
        (f.shares(25_000_000), "25"),
        (f.shares(12_500_000), "12.5"),
        (f.shares(40_000), "0.04"),
        (f.shares(0), "0"),
        (f.shares(999_960_000), "1,000"),
        (f.shares(5_200_000_000), "5,200"),
        (f.shares(9_999_400_000), "9,999"),
        (f.shares(12_400_000_000), "12.4k"),
        (f.shares(999_960_000_000), "1.00M"),
        (f.shares(-180_000_000), "-180"),
        (f.signed_shares(420_000_000), "+420"),
        (f.signed_shares(0), "0"),
        (f.usd(Cash(512_400_000)), "$512.40"),
        (f.usd(Cash(-3_100_000)), "-$3.10"),
        (f.usd(Cash(-1)), "$0.00"),
        (f.usd(Cash(1_204_551_000_000)), "$1,204,551.00"),
        (f.signed_usd(Cash(12_400_000)), "+$12.40"),
        (f.signed_usd(Cash(4_000)), "$0.00"),
        (f.signed_usd(Cash(-12_400_000)), "-$12.40"),
        (f.percent(2.13), "2.1%"),
        (f.percent(NAN), "–"),
        (f.age(0.14), "140ms"),
        (f.age(0.9999), "1.0s"),
        (f.age(4.2), "4.2s"),
        (f.age(9.96), "10s"),
        (f.age(119.9), "119s"),
        (f.age(120), "2m"),
        (f.age(11_500), "3h11"),
        (f.age(1_600_000), "18d"),
        (f.age(float("inf")), "–"),
        (f.age(-3), "0ms"),
        (f.left(747), "12:27"),
        (f.left(0), "ended"),
        (f.left(20_460), "5h41m"),
        (f.left(18 * 86_400), "18d"),
        (f.span(11_521), "03:12:01"),
        (f.span(90_000), "1d 01:00:00"),
        (f.clock(1_795_269_753_412_000_000), "14:02:33"),
        (f.clock(1_795_269_753_412_000_000, True), "14:02:33.412"),
        (f.clock(0), "–"),
        (f.day(1_795_269_753_412_000_000), "2026-11-21"),
        (f.count(9_999), "9,999"),
        (f.count(88_120), "88.1k"),
        (f.count(1_200_000), "1.2M"),
        (f.arrow(1) + f.arrow(-1) + f.arrow(0), "▲▼ "),
    ],
)
def test_what_the_operator_reads(made: str, read: str) -> None:
    assert made == read


@given(st.integers(-(10**15), 10**15))
def test_a_size_fits_its_column(size: int) -> None:
    assert len(f.shares(Size(abs(size) % 10**12))) <= 6


@given(st.floats(0, 10**9))
def test_an_age_and_a_time_left_fit_their_columns(seconds: float) -> None:
    assert len(f.age(seconds)) <= 6 and len(f.left(seconds)) <= 6


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]0;title\x07", "]0;title"),
        ("\x9b31m", "31m"),
        ("a\r\nb\tc", "a  b c"),
        ("\u202eevil\u202c", "evil"),
        ("\u2066x\u2069\u200b\ufeff", "x"),
        ("👨\u200d👩\u200d👧 ok", "👨 ok"),
        ("👍🏽", "👍"),
        ("e" + "\u0301" * 30, "é" + "\u0301" * 2),
        ("a\u2028b", "a b"),
        ("\ud800x", "x"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("Größe €", "Größe €"),
    ],
)
def test_untrusted_text_loses_what_could_steer_a_terminal(raw: str, shown: str) -> None:
    assert f.clean(raw) == shown


@given(st.text(st.characters(), max_size=80))
def test_clean_leaves_only_printable_text(raw: str) -> None:
    once = f.clean(raw)
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in once)
    once.encode()


@given(st.text(max_size=60), st.integers(0, 40), st.sampled_from("<>^"))
def test_said_is_exactly_as_wide_as_asked(raw: str, width: int, align: str) -> None:
    assert cell_len(f.said(raw, width, align)) == width
    assert cell_len(f.middle(raw, width)) == width


def test_a_long_title_keeps_its_first_and_last_words_whole() -> None:
    name = "Bitcoin Up or Down - November 21, 2:00PM-2:15PM ET"
    shown = {width: f.middle(name, width).rstrip() for width in (18, 26, 37, 44)}
    assert shown == {
        18: "Bitcoin…2:15PM ET", 26: "Bitcoin Up or…2:15PM ET", 37: "Bitcoin Up or Down…2:00PM-2:15PM ET",
        44: "Bitcoin Up or Down…21, 2:00PM-2:15PM ET",
    }  # fmt: skip
    assert f.middle("Fed cuts 25bp in December?", 18) == "Fed cuts…December?"
    assert f.middle("Incomprehensibilities", 14) == "Incomprehensi…", "one word has no other end"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("equity $1,234.56", 12, "equity…"),
        ("book age 4.25 s", 13, "book age…"),
        ("order 12.5k", 10, "order…"),
        ("-$10.05", 5, "…"),
        ("age 12 s", 7, "age 12…"),
        ("0x71ab99c2", 6, "0x71a…"),
        ("4593637592279392591960509", 9, "45936375…"),
    ],
)
def test_no_number_is_cut_in_it_but_a_name_may_be(text: str, width: int, shown: str) -> None:
    assert f.fit(text, width) == f"{shown:{width}}"


def test_of_several_texts_the_fullest_that_fits_is_taken() -> None:
    texts = ("made +$12.40", "+$12.40", "+$12")
    assert [f.first_fit(width, *texts) for width in (12, 11, 7, 6, 4)] == ["made +$12.40", "+$12.40", "+$12.40", "+$12", "+$12"]
    assert f.first_fit(3, *texts) == "…  "


def test_a_text_too_long_ends_in_an_ellipsis() -> None:
    assert f.fit("abcdef", 4) == "abc…" and f.fit("abc   ", 4) == "abc "
    assert f.fit("日本語", 4) == "日… " and f.fit("x", 3, ">") == "  x" and f.fit("x", 4, "^") == " x  "


@given(st.integers(0, 10**14))
def test_a_brief_size_fits_four_cells_and_is_right_to_a_twentieth(size: int) -> None:
    text = f.brief(size)
    assert len(text) <= 4
    scale = {"k": 1e3, "M": 1e6}.get(text[-1], 1.0)
    assert abs(float(text.rstrip("kM")) * scale - size / SHARE) <= max(0.5, 0.06 * size / SHARE)


def test_the_clock_can_be_that_of_the_machine_and_says_which_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = 1_795_262_400_000_000_000
    assert (f.clock(noon), f.zone(), f.day(noon)) == ("12:00:00", "Z", "2026-11-21")
    monkeypatch.setenv("TZ", "XYZ+14")
    time.tzset()
    f.show_local(True)
    try:
        assert (f.clock(noon, True), f.zone(), f.day(noon)) == ("22:00:00.000", " XYZ", "2026-11-20")
    finally:
        f.show_local(False)
        monkeypatch.undo()
        time.tzset()
