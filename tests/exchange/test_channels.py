"""The market channel: the hash of the book after each operation, what follows a trade, and what only some sockets hear."""

import json
from hashlib import sha1
from typing import Any

import pytest
from msgspec.structs import replace

from pmm_tui.core.signals.integrity import Integrity
from pmm_tui.core.units import ONE, SECOND, Nanos, Price
from pmm_tui.exchange.terms import Lasts
from pmm_tui.feeds.wire import Decoder
from tests.exchange.venue_scene import BUY, MARKET, OTHER, SELL, START, VenueScene


class Rebuilt:
    """A client's book of one token: the initial dump, and every change since."""

    def __init__(self, dump: dict[str, Any]) -> None:
        self.dump = dump
        self.sides = {side: {one["price"]: one["size"] for one in dump[name]} for side, name in (("BUY", "bids"), ("SELL", "asks"))}
        self.last = dump["last_trade_price"]

    def change(self, entry: dict[str, Any]) -> None:
        side = self.sides[entry["side"]]
        side.pop(entry["price"], None)
        if entry["size"] != "0":
            side[entry["price"]] = entry["size"]

    def digest(self, stamp: str) -> str:
        """The hash as py-clob-client makes it."""
        bids = [{"price": price, "size": self.sides["BUY"][price]} for price in sorted(self.sides["BUY"], key=float)]
        asks = [{"price": price, "size": self.sides["SELL"][price]} for price in sorted(self.sides["SELL"], key=float, reverse=True)]
        said = {"market": MARKET.id, "asset_id": self.dump["asset_id"], "timestamp": stamp, "hash": "", "bids": bids, "asks": asks}
        said |= {"min_order_size": "5", "tick_size": self.dump["tick_size"], "neg_risk": False, "last_trade_price": self.last}
        return sha1(json.dumps(said, separators=(",", ":")).encode(), usedforsecurity=False).hexdigest()

    def best(self) -> tuple[str, str]:
        return max(self.sides["BUY"], key=float, default="0"), min(self.sides["SELL"], key=float, default="1")


def test_every_frame_of_one_step_carries_the_hash_after_its_own_operation() -> None:
    scene = VenueScene()
    scene.show()
    socket = scene.market_socket()
    books = {book["asset_id"]: Rebuilt(book) for book in socket.heard("book")}
    for cents, shares in ((47, 30), (46, 20), (47, 5)):
        scene.act(BUY, cents, shares)
    scene.act(SELL, 47, 120, Lasts.FAK)  # 100 at 48, 20 at 47
    scene.act(SELL, 53, 8)
    scene.matching.cancel_where("crowd", scene.at, market=MARKET.id)
    scene.venue.advance(scene.at)
    checked = 0
    for frame in socket.heard():
        if frame["event_type"] == "price_change":
            for entry in frame["price_changes"]:
                books[entry["asset_id"]].change(entry)
            if len(frame["price_changes"]) == 4:  # the trade: its hash has the last trade's price, whose own frame comes after
                for book in books.values():
                    book.last = "0.470"
            for entry in frame["price_changes"]:
                book = books[entry["asset_id"]]
                assert entry["hash"] == book.digest(frame["timestamp"])
                assert (entry["best_bid"], entry["best_ask"]) == book.best()
            checked += 1
        elif frame["event_type"] == "book":
            assert frame["hash"] == books[frame["asset_id"]].digest(frame["timestamp"])
    assert checked == 6
    assert all(not book.sides["BUY"] and not book.sides["SELL"] for book in books.values())


def test_the_desks_own_judge_believes_every_frame_of_a_moment_with_trades_in_it() -> None:
    scene = VenueScene()
    scene.show()
    socket = scene.market_socket()
    for cents in (30, 31, 47):
        scene.act(BUY, cents, 30)
        scene.act(SELL, 47, 10, Lasts.FAK)
        scene.act(SELL, 90 - cents, 5)
    scene.venue.advance(scene.at)
    decoder, judge = Decoder(), Integrity(MARKET)
    decoder.know(MARKET)
    for raw in socket.raw():
        for event in decoder.decode(raw, START):
            judge.frame(event)
    judge.judge(Nanos(START + SECOND))
    assert judge.mismatched == 0 and judge.verified > 20


def test_a_trade_is_a_change_of_levels_then_its_print_then_both_books() -> None:
    scene = VenueScene()
    scene.show()
    socket = scene.market_socket()
    socket.raw()
    scene.act(BUY, 52, 10, Lasts.FAK)
    scene.venue.advance(scene.at)
    frames = socket.heard()
    assert [frame["event_type"] for frame in frames] == ["price_change", "last_trade_price", "book", "book"]
    assert {entry["size"] for entry in frames[0]["price_changes"]} == {"90"}
    assert (frames[1]["price"], frames[1]["size"], frames[1]["side"], frames[1]["asset_id"]) == ("0.52", "10", "BUY", MARKET.yes)
    assert [frame["asset_id"] for frame in frames[2:]] == [MARKET.yes, MARKET.no]
    assert frames[2]["asks"] == [{"price": "0.52", "size": "90"}] and frames[3]["bids"] == [{"price": "0.48", "size": "90"}]


def test_what_the_channel_told_is_what_rest_says() -> None:
    scene = VenueScene()
    scene.show()
    scene.act(BUY, 52, 7, Lasts.FAK)
    scene.matching.retick(MARKET.id, Price(10), scene.at)
    scene.venue.advance(scene.at)
    for book in scene.market_socket().heard("book"):
        whole = scene.get("/book", token_id=book["asset_id"])
        assert {name: whole[name] for name in book if name != "event_type"} == {n: v for n, v in book.items() if n != "event_type"}
        assert whole["tick_size"] == "0.001" and whole["last_trade_price"] == "0.520"


def test_best_bid_ask_comes_only_where_the_touch_moved() -> None:
    scene = VenueScene()
    scene.show()
    plain, custom = scene.market_socket(), scene.market_socket(custom=True)
    custom.raw()
    for cents in (47, 46):
        scene.act(BUY, cents, 10)
    scene.act(BUY, 48, 5)  # more at the best: the touch stays
    scene.venue.advance(scene.at)
    assert custom.heard("best_bid_ask") == []
    scene.act(BUY, 49, 5)
    scene.venue.advance(scene.at)
    told = custom.heard("best_bid_ask")
    assert [(one["asset_id"], one["best_bid"], one["best_ask"], one["spread"]) for one in told] == [
        (MARKET.yes, "0.49", "0.52", "0.03"),
        (MARKET.no, "0.48", "0.51", "0.03"),
    ]
    assert plain.heard("best_bid_ask") == []


def test_a_listing_and_a_result_are_told_to_those_who_asked_for_them() -> None:
    scene = VenueScene()
    plain, custom, other = scene.market_socket(), scene.market_socket(custom=True), scene.market_socket(OTHER.yes, custom=True)
    scene.matching.list_market(replace(MARKET, id="0xef", slug="new", yes="3", no="4"), scene.at)
    scene.matching.resolve(MARKET.id, ONE, scene.at)
    scene.venue.advance(scene.at)
    (listed,) = other.heard("new_market")  # of every market, whatever a socket follows
    assert (listed["market"], listed["slug"], listed["assets_ids"], listed["id"]) == ("0xef", "new", ["3", "4"], "3")
    assert listed["fee_schedule"] == {"exponent": "1", "rate": "0.07", "taker_only": True, "rebate_rate": "0.2"}
    told = custom.heard()
    assert [one["event_type"] for one in told if one["event_type"] != "book"] == ["new_market", "market_resolved"]
    assert (told[-1]["winning_asset_id"], told[-1]["winning_outcome"], told[-1]["id"]) == (MARKET.yes, "Yes", "1")
    assert {one["event_type"] for one in plain.heard()} == {"book"}


def test_the_initial_dump_is_an_array_and_a_token_is_dumped_once() -> None:
    scene = VenueScene()
    scene.show()
    socket = scene.market_socket()
    (raw,) = socket.raw()
    assert raw.startswith("[{") and raw.endswith("}]\n") and len(json.loads(raw)) == 2
    socket.say({"operation": "subscribe", "assets_ids": [MARKET.yes, OTHER.yes]})
    assert [book["asset_id"] for book in socket.heard("book")] == [OTHER.yes]
    socket.say({"operation": "unsubscribe", "assets_ids": [MARKET.yes, MARKET.no]})
    scene.act(BUY, 40, 5)
    scene.venue.advance(scene.at)
    assert socket.raw() == []


def test_whoever_follows_too_many_tokens_gets_no_books_to_begin_with_but_every_change() -> None:
    scene = VenueScene()
    scene.show()
    many = [str(number) for number in range(10**6, 10**6 + 499)]
    assert len(scene.market_socket(MARKET.yes, *many).heard("book")) == 1
    socket = scene.market_socket(MARKET.yes, MARKET.no, *many)
    assert socket.raw() == []
    scene.act(BUY, 40, 5)
    scene.venue.advance(scene.at)
    assert len(socket.heard("price_change")) == 1


def test_frames_say_when_their_operation_was_and_never_go_back() -> None:
    scene = VenueScene()
    scene.show()
    socket = scene.market_socket()
    socket.raw()
    scene.act(BUY, 47, 5)
    later = scene.at
    scene.at = type(later)(later + 30_000_000)
    scene.act(BUY, 46, 5)
    scene.at = type(later)(later + 20_000_000)
    scene.act(BUY, 45, 5)
    scene.at = type(later)(later + 50_000_000)
    scene.venue.advance(scene.at)
    stamps = [int(frame["timestamp"]) - START // 1_000_000 for frame in socket.heard("price_change")]
    assert stamps == [0, 30, 30]


@pytest.mark.parametrize("channel", ["market", "user"])
def test_ping_is_answered_and_nonsense_is_not(channel: str) -> None:
    scene = VenueScene()
    socket = scene.market_socket() if channel == "market" else scene.user_socket()
    socket.raw()
    for said in ("[", "[1]", "7", '{"operation":"subscribe","assets_ids":[1,null]}'):
        socket.say(said)
    assert socket.raw() == []
    socket.say("PING")
    assert socket.raw() == ["PONG"]


def test_an_account_hears_of_its_own_orders_and_nobody_elses() -> None:
    scene = VenueScene()
    scene.show()
    mine, market = scene.user_socket(), scene.market_socket()
    name = scene.rest(cents=45)
    scene.act(SELL, 45, 110, Lasts.FAK)
    scene.venue.advance(scene.at)
    told = mine.heard()
    assert [(one["event_type"], one["type"]) for one in told] == [("order", "PLACEMENT"), ("trade", "TRADE"), ("order", "UPDATE")]
    assert {one["id"] for one in told if one["event_type"] == "order"} == {name}
    assert told[1]["trader_side"] == "MAKER" and told[1]["maker_orders"][0]["order_id"] == name
    assert "trade" not in {one["event_type"] for one in market.heard()}
