"""What is not sure is not shown as if it were, and no figure without whose it is: the markets table, the ladder, one market's screen."""

import pytest
from msgspec.structs import replace

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Size
from pmm_tui.tui.keys import KEYS, harmless, remapped
from pmm_tui.tui.rows import book, chart, desk, killed, ladder, market, risk, tape, top
from pmm_tui.tui.rows.lines import Panel, Row, length
from pmm_tui.tui.state import Scene, safe_verdict
from tests.faces import album_table, pictures, scenes
from tests.faces.fake_desk import ENDED, LOST, NEVER, UP
from tests.faces.pictures import BTC, NOW, lots
from tests.faces.scenes import scene


def text(rows: list[Row] | Panel) -> str:
    """Rows as a person reads them."""
    return "\n".join("".join(part for part, _ in row) for row in (rows.rows if isinstance(rows, Panel) else rows))


def style_of(panel: Panel, part: str) -> set[str]:
    """How every span with this in it is painted."""
    return {style for row in panel.rows for told, style in row if part in told}


def of(name: str, mode: str = "live") -> Scene:
    """A state of one desk as the album has it."""
    made = album_table.state(name, mode)
    assert made is not None
    return Scene(made.frame, made.link, 0, NOW, read_only=made.read_only)


def two(paper: Frame | None, live: Frame | None, gone: Link = UP) -> Scene:
    """Both desks, the keys at paper."""
    return replace(scene(paper), beside=scene(live, gone))


@pytest.mark.parametrize("name", ["exposed", "order uncertain", "kill not answered"])
def test_what_nobody_vouches_for_has_a_question_mark_wherever_it_is_quoted(name: str) -> None:
    one = of(name)
    narrow, wide, page = book.markets(one, 80, 8), book.markets(one, 116, 8), market.market(one, 160, 44)
    for panel in (narrow, wide):
        green = {"up"} if name == "order uncertain" else set()  # another market's orders are known
        assert style_of(panel, "● quoting") == green
        assert style_of(panel, "? quoting") | style_of(panel, "? UNKNOWN") <= {"warn", "sel warn", "sel alarm", "alarm"}
    marked = "52.0/?54" if name == "order uncertain" else "?52.0/?54"
    assert style_of(narrow, marked) == {"sel warn"} and style_of(wide, "54.0?") == {"sel warn"}
    assert style_of(wide, "52.0?") == (set() if name == "order uncertain" else {"sel warn"}), "the bid of the two is sure"
    assert style_of(page, marked) == {"warn"} and style_of(page, "● quoting") == set()
    assert ("resting?" in text(page)) is (name != "order uncertain"), "of one order alone nobody knows: the others rest"
    calm = of("quoting")
    shown = text(book.markets(calm, 80, 8)) + text(book.markets(calm, 116, 8)) + text(market.market(calm, 160, 44))
    assert "?" not in shown.replace("December?", "")


def test_the_table_names_the_keys_that_act_now_and_as_they_were_remapped() -> None:
    def named(name: str, keys: tuple[object, ...] = KEYS) -> str:
        return book.markets(of(name), 116, 8, keys).note  # type: ignore[arg-type]  # whatever table of keys

    assert named("quoting") == "↑↓ market   f flatten   p pause market" and named("markets paused").endswith("p resume market")
    assert "flatten" not in named("key refused") and named("kill not answered") == "↑↓ market"
    assert named("quoting", harmless(KEYS)) == "↑↓ market" and named("quoting", ()) == ""
    assert "F3 flatten" in named("quoting", remapped({"flatten": ("F3",)}))


def test_a_desk_that_has_not_spoken_may_watch_a_market_and_what_is_calm_is_not_amber() -> None:
    assert "unknown" in text(book.markets(two(pictures.three(), None, NEVER), 156, 5))
    assert "–  not watched there" in text(book.markets(two(pictures.three(), pictures.live()), 156, 5))
    over = book.markets(two(pictures.resolved(), pictures.resolved()), 156, 5)
    assert style_of(over, "Up won") == {"sel dim"}
    held = pictures.three()
    other = replace(held, snapshot=replace(held.snapshot, markets=(*held.snapshot.markets[:1], replace(pictures.second(), why="no cash"))))
    told = text(book.markets(two(held, replace(scenes.production(), snapshot=other.snapshot)), 190, 5))
    assert "L: ■ held no cash" in told, "the same word for two reasons has a letter"


def test_a_lost_desk_is_dim_in_the_title_and_the_foot_and_its_book_as_old_as_its_silence() -> None:
    lost = replace(scene(pictures.three(), LOST), beside=scene(scenes.production()))
    assert {style for part, style in market.market(lost, 160, 44).rows[0] if part.strip() and "quoting" not in part} == {"dim", "alarm"}
    shown = ladder.ladder(replace(lost, beside=scene(None, NEVER)), 100, 24)
    assert style_of(shown, "52.46") == {"dim"} and "P fair 52.46" in text(shown) and "P age 12s" in text(shown)
    assert "L age 140ms" in text(ladder.ladder(lost, 100, 24)), "the other desk's book"
    assert "age 12s" in text(ladder.ladder(scene(pictures.three(), LOST), 100, 24))
    assert all(style == "dim" for row in tape.tape(lost, 24, 6).rows for part, style in row if part.strip())


def test_what_somebody_else_rests_with_our_wallet_is_in_the_ladder() -> None:
    one = of("traded by hand")
    shown = ladder.ladder(one, 100, 24)
    assert style_of(shown, "!10") == {"alarm"} and "! not ours" in shown.note
    assert one.frame is not None
    dead = replace(one, frame=replace(one.frame, snapshot=replace(one.frame.snapshot, phase="killed")))
    assert style_of(ladder.ladder(dead, 100, 24), "!10") == {"alarm"}, "over the hatch"
    assert "! not ours" not in ladder.ladder(of("quoting"), 100, 24).note


def test_the_legend_of_doubt_is_for_a_desk_that_had_a_picture() -> None:
    assert "? not confirmed" not in ladder.ladder(two(pictures.three(), None, NEVER), 100, 24).note
    assert "? not confirmed" in ladder.ladder(two(pictures.three(), scenes.production(), LOST), 100, 24).note


@pytest.mark.parametrize("width", [34, 40, 56])
def test_every_limit_says_whose_it_is_and_keeps_off_its_neighbour(width: int) -> None:
    both = two(pictures.three(), scenes.production(), LOST)
    shown = market.position(both, width, 20)
    line = next(one for one in text(shown).splitlines() if one.startswith("all capital"))
    assert " P 84.2" in line and " L 84.2" in line
    assert width < market.NARROW or shown.note == "P 40 pairs could be merged"
    for panel in (market.limits(both, width, 20), market._beliefs(both, width, 12)):
        assert "PAPER" in text(panel) and " LOST" in text(panel) and all(length(row) <= width for row in panel.rows)
    wordy = replace(pictures.risk()[0], now="2 missed of many", limit="2 missed", holding=True)
    full = replace(pictures.three(), snapshot=replace(pictures.three().snapshot, risk=(wordy,)))
    assert "–2" not in text(market.limits(two(pictures.waiting(), full), width, 20))


def test_where_there_is_no_room_for_the_limit_what_was_missed_has_it_all_the_same() -> None:
    both = two(pictures.three(), of("wallet mismatch").frame)
    assert " 2 miss" in text(market.limits(both, 29, 12))


def test_a_limit_names_its_unit_once() -> None:
    assert [market._against(*one) for one in (("80 sh", "500 sh"), ("2 missed", "2"), ("12 min", ">30 s"))] == [
        "80 of 500 sh",
        "2 missed of 2",
        "12 min, >30 s",
    ]


@pytest.mark.parametrize("symbols", ["braille", "block", "ascii"])
@pytest.mark.parametrize("height", [4, 5, 6, 7, 8, 9])
def test_zero_stands_at_the_line_of_zero(symbols: str, height: int) -> None:
    one = replace(scene(replace(pictures.three(), snapshot=replace(pictures.three().snapshot, orders=()))), symbols=symbols)
    rows = [row for row in chart.inventory(one, 50, height).rows if row[0][0].strip() == "0 ┤"]
    assert len(rows) == 1 and any(style == "frame" for _, style in rows[0])


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_no_picture_contradicts_itself(mode: str) -> None:
    for name in album_table.STATES:
        made = album_table.state(name, mode)
        if made is None or made.frame is None or name == "hostile texts":
            continue
        snapshot = made.frame.snapshot
        if snapshot.equity_curve:
            assert snapshot.equity_curve[-1][1] == snapshot.money.equity, name
        assert all((row.health.age_ms > 2_000) is (row.state == "stale") for row in snapshot.markets), name
        risk, money, widest = {row.name: row for row in snapshot.risk}, snapshot.money, [abs(row.yes - row.no) for row in snapshot.markets]
        assert not risk or risk["net position"].now == f"{max(widest) / 1e6:g} sh", name
        assert money.equity == money.cash + money.unrealised + sum(row.cost for row in snapshot.markets), name
        assert money.equity == money.initial + money.realised + money.unrealised, name
        if snapshot.phase not in ("killing", "killed"):
            rests = sum((one.size - one.filled for one in snapshot.orders if one.market == BTC and one.status != "SENT"), Size(0))
            ours = sum((level.ours for row in snapshot.markets if row.id == BTC for level in (*row.bids, *row.asks)), Size(0))
            foreign = lots(10) if name == "traded by hand" else 0
            assert rests == ours + foreign, name


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_the_everyday_picture_is_green_and_a_cap_is_a_picture_of_its_own(mode: str) -> None:
    assert safe_verdict(of("quoting", mode)).style == "up"
    capped = safe_verdict(of("capped", mode))
    assert capped.style == "warn" and "net position" in capped.why


def test_only_a_simulation_says_how_it_fills() -> None:
    strips = [text(top.strip(of(name, mode), 160, 1)) for name, mode in (("quoting", "paper"), ("quoting", "live"), ("rehearsal", "live"))]
    assert ["fills " in strip for strip in strips] == [True, False, False]


def test_what_a_lost_desk_told_of_its_data_is_as_old_as_its_silence() -> None:
    lost = of("disconnected")
    assert "  12s  ? UNKNOWN" in text(book.markets(lost, 116, 8)), "not the age of then"
    shown = [market.position(lost, 60, 20), market.limits(two(pictures.three(), lost.frame, LOST), 70, 20), desk.guards(lost, 40, 12)]
    ages = [line.split("data age")[1].split() for panel in shown for line in text(panel).splitlines() if "data age" in line]
    assert ages == [["?", "of", "2", "s"], ["0.1", "of", "2", "s", "?", "of", "2", "s"], ["?", "of", "2", "s"]]
    assert "ok    data age" not in text(risk.risk(lost, 80, 24)) and "ok    data age" in text(risk.risk(of("quoting"), 80, 24))


@pytest.mark.parametrize("height", [3, 4, 6])
def test_a_guard_that_holds_has_a_row_on_the_markets_own_screen_however_low(height: int) -> None:
    shown = text(market.position(of("capped"), 36, height))
    assert "largest net            500 of 500 sh" in shown and "if Up     +$40.80  if Down   -$39.20" in shown
    both = text(market.position(two(of("held").frame, of("held").frame), 36, height)).splitlines()
    assert len(both) == height and both[2].startswith("L      120"), "real money's position before any limit"
    assert "→Down  -$39.20" in text(market.position(of("capped"), 31, height))


def test_a_kill_never_says_that_it_will_sell_nor_twice_that_it_waits() -> None:
    rows = killed.steps(pictures.killing(), 80)
    assert {style for _, style in rows[3]} <= {"head", "dim", "bold"} and "–" in text(rows[3:]) and "not yet" not in text(rows[3:])
    assert text(rows[2:3]).split() == ["3", "·", "verify", "not", "yet", "asked", "2", "times"]


def test_a_desk_that_ended_is_in_no_doubt() -> None:
    assert "?5" not in text(book.markets(scene(pictures.three(), ENDED), 80, 8)), "it took its orders back"
