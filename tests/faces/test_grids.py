"""What the full-size screens say: markouts as they mature, lists that scroll and are filtered, guards in order, each state by its word."""

import unicodedata
from functools import cache, partial

from msgspec.structs import replace
from rich.cells import cell_len

from pmm_tui.core.snapshot import FeedRow, NoteRow, Stats, StatsCell
from pmm_tui.core.units import Nanos
from pmm_tui.tui.keys import remapped
from pmm_tui.tui.rows import desk, fills, lines, log, orders, risk, top
from pmm_tui.tui.rows.lines import Builder, Row
from pmm_tui.tui.signs import badges
from pmm_tui.tui.state import Scene, desk_verdict, safe_verdict
from tests.faces import pictures, scenes
from tests.faces.fake_desk import LOST
from tests.faces.pictures import NOW


@cache
def everyday() -> dict[str, Scene]:
    """The everyday scenes, made once."""
    return scenes.modes(pictures.three(), scenes.production())


def text(rows: list[Row]) -> str:
    """Rows as they stand on the screen."""
    return "".join("".join(part for part, _ in row) + "\n" for row in rows)


def drawn(builder: Builder, scene: Scene, width: int, height: int) -> str:
    """What a builder shows at a size, checked to be exactly that large and free of anything that steers a terminal."""
    made = text(lines.block(builder(scene, width, height).rows, width, height))
    rows = made.splitlines()
    assert len(rows) == height and {cell_len(row) for row in rows} == {width}
    assert not [char for char in made if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")]
    return made


def _stats(means: dict[str, tuple[float, float]]) -> Stats:
    """Figures of two markets: by markout, the shares that have matured and what they came to in dollars, half of it in each."""
    fields = tuple(f"markout_{name}.{part}" for name, _ in fills.MATURE for part in "ws")
    values = tuple(value / 2 for name, _ in fills.MATURE for value in means.get(name, (0.0, 0.0)))
    return Stats(60, fields, (StatsCell("a", 1, values), StatsCell("b", 1, values)), (), 0.0, 0, 0)


def test_markouts_stand_under_the_fills_as_they_mature() -> None:
    stats = _stats({"0": (100.0, 0.6), "0.5": (100.0, 0.5), "2": (80.0, 0.12), "10": (50.0, -0.25)})
    frame = replace(pictures.three(), stats=stats)
    shown = drawn(fills.fills, scenes.scene(frame), 160, 20)
    assert "whole run, ¢/sh: at fill +0.60  0.5s +0.50  2s +0.15  10s -0.50  30s     –  2m     –  10m     –" in shown
    told = drawn(fills.fills, scenes.scene(replace(frame, stats=replace(stats, older=3))), 160, 20)
    assert "newest markets, ¢/sh: at fill +0.60" in told and "whole run" not in told
    narrow = drawn(fills.fills, scenes.scene(frame), 80, 20)
    assert "at fill +0.60  2s +0.15  30s     –  10m     –" in narrow
    assert "¢/sh" not in drawn(fills.fills, scenes.scene(pictures.three()), 160, 20)
    other = replace(frame, stats=Stats(60, ("fills",), (), (), 0.0, 0, 0))
    assert "¢/sh" not in drawn(fills.fills, scenes.scene(other), 160, 20)


def test_a_list_scrolls_to_its_end_and_not_beyond_and_a_filter_keeps_what_matches() -> None:
    one = everyday()["paper"]
    assert "Connections" not in drawn(risk.risk, one, 80, 12)
    for scroll in (20, 500):
        last = drawn(risk.risk, replace(one, scroll=scroll), 80, 12)
        assert last.splitlines()[-1].startswith(" ● up   venue"), scroll
    assert "SELL▼" not in drawn(orders.orders, replace(one, filter="buy"), 80, 20)
    inverted = drawn(orders.orders, replace(one, filter="!buy"), 80, 20)
    assert "BUY ▲" not in inverted and "SELL▼" in inverted
    assert "nothing matches the filter" in drawn(fills.fills, replace(one, filter="no such"), 80, 20)
    noted = drawn(log.log, replace(one, filter="FEED"), 80, 20)
    assert "feed gap" in noted and "requote" not in noted


def test_the_log_breaks_a_long_event_between_words_and_cuts_none() -> None:
    frame = pictures.quoting()
    why = "order 903 SELL 10 Up @ 52.0 refused: invalid post-only order: order crosses book and will not be placed here again today"
    one = scenes.scene(replace(frame, snapshot=replace(frame.snapshot, notes=(NoteRow(NOW, "warn", why), *frame.snapshot.notes))))
    shown = drawn(log.log, one, 80, 20)
    assert " ".join(line.strip() for line in shown.splitlines()[1:3]).endswith(why) and "…" not in shown.splitlines()[1]


def test_what_holds_comes_first_then_what_is_near() -> None:
    shown = drawn(risk.risk, scenes.scene(pictures.held()), 80, 30).splitlines()
    words = [row.split()[0] for row in shown if row.split()[:1] in (["HOLDS"], ["near"], ["ok"])]
    assert words == ["HOLDS", "near", "ok", "ok", "ok", "ok"]
    assert any(row.startswith(" –     wallet check") and "not asked" in row for row in shown), "what nobody asked is not ok"
    assert any(row.startswith(" HOLDS data age") and row.rstrip().endswith("210%") for row in shown)


def test_a_replay_of_a_production_run_claims_no_real_money() -> None:
    live = scenes.production()
    one = scenes.scene(replace(live, card=replace(live.card, source="replay", speed="held")))
    shown = drawn(top.banner, one, 160, 1) + drawn(top.strip, one, 160, 1)
    assert "REPLAY of a LIVE run" in shown and "REAL MONEY" not in shown and "run held" in shown
    assert not one.live and "┏" not in drawn(risk.risk, one, 160, 20)


def test_a_kill_of_either_desk_is_shown_with_its_name() -> None:
    one, other = scenes.scene(pictures.three()), scenes.scene(pictures.killed())
    for pair in (replace(one, beside=other), replace(other, beside=one)):
        assert desk.kill_height(pair) == 7 and desk.kill(pair, 100, 9).title == "PAPER: KILL SWITCH TRIPPED, latched"
    assert desk.kill_height(replace(one, beside=one)) == 0


def test_states_differ_by_word_or_badge_and_each_says_why() -> None:
    told: dict[tuple[str, ...], str] = {}
    for name, make in scenes.STATES.items():
        one = make()
        verdict = desk_verdict(one)
        face = (verdict.word, verdict.why, *(badge.text for badge in badges(one)), "frozen" * one.frozen)
        assert face not in told, f"{name} looks like {told.get(face)}"
        told[face] = name
        assert verdict.why or verdict.word.startswith("QUOTING"), f"{name} does not say why"
        assert not any("nan" in text or "inf" in text for text in face)


def test_the_risk_screen_begins_with_what_is_wrong_and_says_when_a_kill_may_be_reset() -> None:
    killed = scenes.scene(scenes.killed())
    shown = drawn(risk.risk, killed, 80, 16)
    assert shown.index("Kill switch") < shown.index("Guards") and "reset: R, type RESET LIVE" in shown
    assert killed.frame is not None
    cooling = replace(killed, frame=replace(killed.frame, snapshot=replace(killed.frame.snapshot, resets_at=Nanos(NOW + 421 * 10**9))))
    assert "reset: in 7m" in drawn(risk.risk, cooling, 80, 16)
    paper = replace(scenes.scene(pictures.three()), beside=killed)
    assert "reset: e, then R" in drawn(risk.risk, paper, 160, 24)
    broken = replace(pictures.three(), card=replace(pictures.three().card, busy="disk full"))
    panel = risk.risk(scenes.scene(broken), 80, 16)
    assert ("all of it: " in text(panel.rows)) and ("disk full", "alarm") in {span for row in panel.rows for span in row}
    assert panel.rows[0][0][1] == "frame-alarm"
    down = drawn(risk.risk, scenes.scene(pictures.held()), 80, 16)
    assert down.index("✖ DOWN market") < down.index("● up") < down.index("Guards")


def test_a_connection_of_a_desk_that_is_not_heard_is_not_called_up() -> None:
    one = replace(everyday()["paper"], link=LOST)
    shown = drawn(risk.risk, one, 80, 20)
    assert "● up" not in shown and shown.count("? up") == 3 and shown.count(", as of 12s ago") == 4


def test_guards_stand_under_their_heads() -> None:
    for width in (80, 56):
        shown = drawn(risk.risk, everyday()["paper"], width, 20).splitlines()
        head, row = (next(line for line in shown if word in line) for word in ("Guards", "net position"))
        assert [head.index(word) + len(word) for word in ("now", "limit")] == [row.index(word) + len(word) for word in ("80 sh", "500 sh")]
        assert (head.index("used") == row.index("▕")) if width == 80 else (len(head) == len(row.rstrip()) == len(head.rstrip()))
    ends = set()
    for percent in (2.1, 16.4):
        frame = pictures.three()
        money = replace(frame.snapshot.money, drawdown_pct=percent)
        one = scenes.scene(replace(frame, snapshot=replace(frame.snapshot, money=money)))
        ends |= {line.rindex("▏") for line in drawn(risk.risk, one, 120, 30).splitlines() if "drawdown ▕" in line}
    assert len(ends) == 1, "the bar does not jump"


def test_safety_is_told_once_and_the_reason_is_seen_and_whose_it_is() -> None:
    one = scenes.scene(pictures.held())
    pair = replace(one, beside=scenes.scene(scenes.production()))
    small = drawn(risk.risk, pair, 80, 20)
    assert safe_verdict(one).word not in small and safe_verdict(one).why in small and "alert 15%" not in small
    assert "PAPER  Risk" in small.splitlines()[0]
    large = drawn(risk.risk, pair, 120, 28)
    assert large.count("alert 1") == 2 and safe_verdict(one).word not in large and "SAFE" not in large


def test_what_is_withheld_is_told_in_whole_words() -> None:
    shown = drawn(risk.risk, everyday()["both"], 120, 30)
    assert shown.count("  position cap ") == 2 and "  capital cap " in shown and shown.count("Down, asks only") == 2


def test_an_order_has_the_names_that_the_log_and_the_venue_know_it_by() -> None:
    frame = scenes.production()
    first, second = frame.snapshot.orders
    hash_ = "0x3fa1c29d" + 52 * "0" + "beef"
    loud = (replace(first, venue_id=hash_, status="EXTERNAL", why="not placed by this desk"), replace(second, status="UNCERTAIN"))
    one, other = scenes.scene(frame), scenes.scene(replace(frame, snapshot=replace(frame.snapshot, orders=loud)))
    assert "902 0x77c00412" in drawn(orders.orders, one, 80, 12) and "902 0x77c" in drawn(orders.orders, one, 76, 12)
    for width in (56, 76, 80, 106, 160):
        shown = drawn(orders.orders, other, width, 16)
        assert "0x3f" in shown and "beef" in shown and "902" in shown and "not placed by this desk" in shown, width
        head, row = (next(line for line in shown.splitlines() if word in line) for word in ("price", "EXTERNAL!"))
        assert head.index("state") == row.index("EXTERNAL!")
    frame = replace(frame, snapshot=replace(frame.snapshot, feeds=(FeedRow("user", False, pictures.ago(10), "timeout"),)))
    assert drawn(orders.orders, scenes.scene(frame), 56, 12).count("resting?") == 2, "nobody knows"


def test_a_list_names_only_the_keys_that_act() -> None:
    both = everyday()["both"]
    assert "x f p act on: Bitcoin Up…2:15PM ET ─" in drawn(orders.orders, both, 120, 12)
    other = remapped({"cancel": ("o",)})
    assert "   o f p act on: " in drawn(partial(orders.orders, keys=other), both, 120, 12) + drawn(fills.fills, both, 80, 12)
    busy = replace(pictures.three(), card=replace(pictures.three().card, busy="disk full"))
    alone, told = everyday()["paper"], {name: make() for name, make in scenes.STATES.items()}
    silent = (replace(alone, read_only=True), replace(alone, link=LOST), told["replaying"], replace(alone, locked=True))
    assert not [one for one in silent if " on: " in drawn(orders.orders, one, 120, 12) + drawn(fills.fills, one, 80, 12)]
    killed = drawn(orders.orders, told["killed"], 80, 12).splitlines()[0]
    assert "x" not in killed.split(), "nothing is left to be cancelled"
    assert "   x p act on: " in drawn(orders.orders, scenes.scene(busy), 80, 12), "a desk with a fault sells nothing"
    assert "   p acts on: " in drawn(orders.orders, told["key refused"], 80, 12)


def test_no_picture_is_no_quiet_log() -> None:
    shown = drawn(log.log, replace(everyday()["paper"], frame=None), 80, 10)
    assert "not known" in shown and "nothing has happened" not in shown and "alarms 0" not in shown


def test_the_orders_say_why_in_full_and_what_was_refused_for_what() -> None:
    frame = pictures.three()
    said = "not enough balance / allowance: the account has less than it thinks"
    told = replace(frame, stats=replace(_stats({}), reasons=(("balance", said),)))
    shown = drawn(orders.orders, scenes.scene(told), 78, 24)
    assert "refused 4: post only 3, balance 1" in shown and f"balance      {said[:40]}" in shown
    head, row = (next(line for line in shown.splitlines() if word in line) for word in ("price", "cancelling"))
    assert head.index("state") == row.index("cancelling") and head.index("id, why") == row.index("4090")
    long = tuple(replace(one, why="timeout after 5 s, the venue is asked again") for one in frame.snapshot.orders)
    shown = drawn(orders.orders, scenes.scene(replace(frame, snapshot=replace(frame.snapshot, orders=long))), 78, 24)
    assert shown.count("timeout after 5 s, the venue is asked again") == len(long)
