"""A script of faults: which there are, what each can be told, and the reading of a list of entries, which names every mistake at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

Value = str | float | bool
FOREVER_S = 1e9
"""A fault without `for` lasts until the end of any run."""


class Field(Struct, frozen=True):
    """One thing an entry may say: a switch, one of some words, any text, or a number from `low` to `high`."""

    default: Value
    about: str
    low: float = 0.0
    high: float = 0.0
    words: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What may stand there, for a message."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return ", ".join(word or '""' for word in self.words) or "text"
        return f"a number from {self.low:g} to {self.high:g}"

    def take(self, said: Any) -> Value | None:
        """The value said, in the field's own type; None where it is not allowed."""
        if isinstance(self.default, bool):
            return said if isinstance(said, bool) else None
        if isinstance(self.default, str):
            text = str(said) if self.words and isinstance(said, int | float) else said  # 401 and 0.001 without quotes are numbers in YAML
            return text if isinstance(text, str) and (not self.words or text in self.words) else None
        if isinstance(said, bool) or not isinstance(said, int | float) or not self.low <= said <= self.high:
            return None
        return float(said)


class Kind(Struct, frozen=True):
    """One fault: what it strikes (ask: an HTTP request, frame: a WebSocket frame, act: the exchange itself), and what it can be told."""

    strikes: str
    about: str
    fields: dict[str, Field] = {}


class Entry(Struct, frozen=True):
    """One entry of a script, complete. Times are seconds from the start."""

    what: str
    at: tuple[float, float]
    """It begins somewhere between these, drawn once."""
    lasts: float = FOREVER_S
    share: float = 1.0
    """The probability that it strikes what it could strike."""
    times: float = 0.0
    """It strikes this often at most; 0: without end."""
    told: dict[str, Value] = {}


class Wild(Struct, frozen=True):
    """Faults drawn at random: `rate` a minute until `until`, each lasting `mean_s` on average, of the kinds in `only`."""

    rate: float
    until: float
    mean_s: float
    only: tuple[str, ...]


class Script(Struct, frozen=True):
    """What shall go wrong. `seed` is for the Random that goes with it."""

    entries: tuple[Entry, ...] = ()
    wild: tuple[Wild, ...] = ()
    seed: int = 0


class ScriptRefused(ValueError):
    """A script with mistakes; `complaints` has all of them: file, entry, field, what was found, what is allowed."""

    def __init__(self, complaints: Iterable[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(self.complaints))


def _number(default: float, low: float, high: float, about: str) -> Field:
    return Field(default, about, low, high)


def _word(about: str, *words: str) -> Field:
    return Field(words[0], about, words=words)


_MS = (0.0, 600_000.0)
_PATH = Field("", "only requests whose path begins so; empty: those the fault is about")
_QUERY = Field("", "only requests whose query contains this")
_METHOD = Field("", "only requests of this method")
_CHANNEL = _word("only frames of this channel; empty: every channel", "", "market", "user", "rtds")
_EVENT = Field("", "only frames of this event_type")
_TOPIC = Field("", "only frames of this topic of the rtds channel")
_LATE = _number(35.0, *_MS, "at most this late, milliseconds")
_MARKET = Field("", "the market; empty: every market")


def _ask(about: str, **fields: Field) -> Kind:
    return Kind("ask", about, {"path": _PATH, "query": _QUERY, "method": _METHOD} | fields)


def _frame(about: str, channel: str = "", **fields: Field) -> Kind:
    about_what = {"channel": Field(channel, _CHANNEL.about, words=_CHANNEL.words), "event": _EVENT, "topic": _TOPIC}
    return Kind("frame", about, about_what | fields)


def _act(about: str, **fields: Field) -> Kind:
    return Kind("act", about, fields)


KINDS: dict[str, Kind] = {
    # --- requests: the order path
    "post_books_but_times_out": _ask("an order is booked, and its answer never comes"),
    "error_5xx_booked": _ask("an order is booked, and answered with a 5xx", status=_number(500, 500, 599, "the status")),
    "error_5xx_unbooked": _ask(
        "a 5xx, and nothing was booked",
        status=_number(500, 500, 599, "the status"),
        error=Field("order timed out", "the venue's text"),
    ),
    "post_lost": _ask("an order never arrives, and nobody says so"),
    "fill_before_answer": _ask(
        "an order's answer is held back until after the news of its fill", ms=_number(2_000, *_MS, "held back this long, milliseconds")
    ),
    "batch_partial": _ask("legs of a batch are refused, each by `share`", error=Field("could not insert order", "the venue's text")),
    "cancel_races_fill": _ask(
        "a cancel arrives after its order was filled",
        ms=_number(50, *_MS, "the cancel is this late, milliseconds"),
        part=_number(1, 0, 1, "how much of the rest is filled"),
    ),
    "cancel_lost": _ask("a cancel is not answered", applied=_number(0.5, 0, 1, "the probability that it was applied")),
    "leaked_matched_sum": _ask(
        "orders are refused because a sum of matched orders never shrinks",
        leak=_number(1_000_000, 0, 1e9, "the leaked sum, dollars"),
        balance=_number(1_000, 0, 1e9, "the balance that the venue names, dollars"),
    ),
    "refuse_orders": _ask(
        "orders are refused for no reason of their own", error=Field("invalid post-only order: order crosses book", "the venue's text")
    ),
    "stale_balance": _ask(
        "balances are those of the first question", heeds_update=Field(False, "a request to update renews them once, as documented")
    ),
    # --- requests: the doors
    "restart": _ask(
        "the engine restarts: 425 for `for` seconds, then post-only",
        post_only_s=_number(120, 0, 86_400, "post-only for this long afterwards, seconds"),
    ),
    "cancel_only": _ask("no new orders, but cancels"),
    "disabled": _ask("neither orders nor cancels"),
    "limited_layer1": _ask("429 from the network in front, in HTML", retry_after_s=_number(10, 0, 3_600, "what Retry-After says, seconds")),
    "limited_layer2": _ask(
        "429 from the venue's own buckets, in JSON",
        retry_after_s=_number(1, 0, 3_600, "what Retry-After says, seconds"),
        of=_word("which requests", "orders", "cancels", "both"),
    ),
    "html_error": _ask("a 5xx page in HTML, nothing booked", status=_number(502, 400, 599, "the status")),
    "slow": _ask("a request arrives late", ms=_number(5_000, *_MS, "at most this late, milliseconds"), ms_min=_number(0, *_MS, "at least")),
    "refuse_upgrade": _ask("a socket is refused", status=_number(429, 400, 599, "the status")),
    "key_revoked": _ask("401 for everything signed with an API key", key=Field("", "only this key; empty: every key")),
    "heartbeat_lost": _ask("heartbeats do not count", how=_word("what comes back", "silence", "401", "500", "mismatch")),
    "clock_skew": _ask(
        "the venue's clock is off, and requests stamped too far from it are refused",
        skew_s=_number(3, -86_400, 86_400, "how far it is ahead, seconds"),
        tolerance_s=_number(10, 0, 86_400, "a stamp may be off by this, seconds"),
    ),
    "ghost_book": _ask("GET /book shows 0.01 and 0.99 and nothing between"),
    "late_answers": _ask(
        "an answer is held back, so that it is old when it comes", ms=_number(2_000, *_MS, "held back this long, milliseconds")
    ),
    "stale_gamma": _ask("Gamma answers from a cache", age_s=_number(300, 0, 86_400, "which is at most this old, seconds")),
    "wrong_neg_risk": _ask("a market's neg_risk flag says the opposite"),
    "market_unready": _ask("the CLOB does not know a market yet", token=Field("", "only this token; empty: every token")),
    # --- frames
    "market_freeze": _frame("the socket lives, and tells no data", "market"),
    "user_mute": _frame("the user channel tells nothing", "user"),
    "drop_frames": _frame("frames are lost"),
    "duplicate_frames": _frame("frames come twice", ms=_LATE, copies=_number(1, 1, 1_000, "copies besides the first")),
    "late_frames": _frame("frames come late by exactly `ms`", ms=_number(2_000, *_MS, "this late, milliseconds")),
    "reorder_frames": _frame("frames are overtaken by later ones", ms=_LATE),
    "array_frames": _frame("an object comes as an array of one"),
    "wrong_hash": _frame("a book's hash is wrong", "market"),
    "bad_numbers": _frame("numbers that are none", "market", text=Field("NaN", "what stands in place of a price")),
    "unknown_status": _frame("a status nobody knows", "user", status=Field("QUARANTINED", "the status")),
    "reference_outlier": _frame("a reference price is off", "rtds", percent=_number(0.7, -99, 1_000, "by this much")),
    "crossed_frames": _frame(
        "a bid is told beyond the best ask, and its end comes later",
        "market",
        ms=_number(300, *_MS, "the book stays crossed for this long, milliseconds"),
    ),
    "giant_message": _frame(
        "a frame of absurd size or depth comes first",
        "market",
        bytes=_number(10_485_760, 2, 67_108_864, "its length"),
        form=_word("what it is made of", "long", "deep", "digits"),
    ),
    # --- both
    "drop_connection": _ask(
        "the connection breaks: a request gets no answer, a frame only its first half",
        channel=_word("where", "rest", "market", "user", "rtds"),
        booked=Field(True, "a request is carried out before its connection breaks"),
    ),
    # --- the exchange itself
    "match_then_fail": _act("settlement fails for `share` of the trades"),
    "retrying": _act("settlement is retried for `share` of the trades", ms=_number(120_000, *_MS, "retried for this long, milliseconds")),
    "tick_change": _act(
        "the grid of a market changes", market=_MARKET, tick=_word("to", "0.001", "0.0001", "0.0025", "0.005", "0.01", "0.1")
    ),
    "early_resolution": _act(
        "a market has its result before its end",
        market=_MARKET,
        payout_yes=_number(1, 0, 1, "what one YES share pays, dollars"),
        told=Field(True, "market_resolved is sent"),
    ),
    "clear_book": _act("the venue cancels every order in a market", market=_MARKET),
    "overfill": _act("a resting order of every wallet with a key is filled beyond its size", shares=_number(5, 0.01, 1e6, "by this much")),
    "order_by_hand": _act(
        "every wallet with a key orders something that its desk did not ask for",
        market=_MARKET,
        side=_word("its side, in YES", "BUY", "SELL"),
        price=_number(0.01, 0.01, 0.99, "its limit, dollars"),
        shares=_number(10, 0.01, 1e6, "its size"),
        rests=Field(True, "what does not match rests"),
    ),
    "balance_moves": _act(
        "money or YES shares of every wallet with a key come or go without a trade",
        market=_MARKET,
        dollars=_number(0, -1e6, 1e6, "dollars that come"),
        shares=_number(0, -1e6, 1e6, "YES shares that come"),
    ),
    "pairs_by_hand": _act(
        "every wallet with a key splits dollars into pairs, or merges pairs, past its desk",
        market=_MARKET,
        shares=_number(10, -1e6, 1e6, "pairs made; below 0: merged"),
    ),
    "fee_change": _act("the fee schedule of a market changes", market=_MARKET, rate=_number(0.1, 0, 1, "the new rate")),
}
"""Every fault by its name."""

_COMMON = {
    "for": _number(FOREVER_S, 0, FOREVER_S, "it lasts this long, seconds"),
    "share": _number(1, 0, 1, "the probability that it strikes"),
    "times": _number(0, 0, 1e9, "it strikes this often at most; 0: without end"),
}
_WILD = {
    "seed": _number(0, 0, 2**53, "the seed"),
    "rate": _number(1, 0, 600, "faults a minute"),
    "until": _number(3_600, 0, 864_000, "no new fault after this, seconds"),
    "mean_s": _number(5, 0.001, 86_400, "how long one lasts on average, seconds"),
}
_SHOWN_MAX = 60
BY_NAME = (
    "disabled", "early_resolution", "key_revoked", "tick_change", "clear_book", "giant_message", "crossed_frames", "overfill",
    "order_by_hand", "balance_moves", "pairs_by_hand", "fee_change",
)  # fmt: skip
"""Not drawn unless they are asked for by name: a run would end, change its markets, or drown."""


def parse(said: Any, file: str = "faults") -> Script:
    """A script from plain lists, mappings and values; ScriptRefused with every mistake."""
    complaints: list[str] = []
    if isinstance(said, Mapping):
        said = [said]
    if said is not None and not isinstance(said, list):
        raise ScriptRefused([f"{file}: found {_shown(said)}; allowed: a list of entries"])
    entries: list[Entry] = []
    wild: list[Wild] = []
    seed = 0
    for number, entry in enumerate(said or (), 1):
        sheet = _Sheet(f"{file}: entry {number}", complaints)
        if not isinstance(entry, Mapping):
            complaints.append(f"{sheet.place}: found {_shown(entry)}; allowed: an entry with `what` and `at`, or with `seed` and `rate`")
        elif "what" in entry or not entry.keys() & {"seed", "rate"}:
            entries.extend(sheet.entry(entry))
        else:
            drawn, seed = sheet.wild(entry)
            wild.append(drawn)
    if complaints:
        raise ScriptRefused(complaints)
    return Script(tuple(entries), tuple(wild), seed)


class _Sheet:
    """The reading of one entry: where it stands, and what was wrong so far."""

    def __init__(self, place: str, complaints: list[str]) -> None:
        self.place = place
        self._complaints = complaints

    def entry(self, said: Mapping[Any, Any]) -> list[Entry]:
        """One fault; none where its name is unknown."""
        what = said.get("what")
        kind = KINDS.get(what) if isinstance(what, str) else None
        if not isinstance(what, str) or kind is None:
            self._wrong("what", what, "one of " + ", ".join(KINDS))
            return []
        fields = _COMMON | kind.fields
        values = self._fields(fields, said, ("what", "at"))
        told = {name: values[name] for name in kind.fields}
        return [Entry(what, self._begin(said.get("at")), _float(values["for"]), _float(values["share"]), _float(values["times"]), told)]

    def wild(self, said: Mapping[Any, Any]) -> tuple[Wild, int]:
        """Random faults, and their seed."""
        values = self._fields(_WILD, said, ("only",))
        only = said.get("only", [name for name in KINDS if name not in BY_NAME])
        if not isinstance(only, list) or not only or any(not isinstance(name, str) or name not in KINDS for name in only):
            self._wrong("only", only, "a list of " + ", ".join(KINDS))
            only = []
        wild = Wild(_float(values["rate"]), _float(values["until"]), _float(values["mean_s"]), tuple(only))
        return wild, int(_float(values["seed"]))

    def _fields(self, fields: Mapping[str, Field], said: Mapping[Any, Any], others: tuple[str, ...]) -> dict[str, Value]:
        for name in said:
            if name not in fields and name not in others:
                self._wrong(name, said[name], "no such field; only " + ", ".join([*others, *fields]))
        values: dict[str, Value] = {}
        for name, field in fields.items():
            value = field.take(said.get(name, field.default))
            if value is None:
                self._wrong(name, said[name], field.allowed)
            values[name] = field.default if value is None else value
        return values

    def _begin(self, said: Any) -> tuple[float, float]:
        """Seconds from the start, or a range of them to draw from."""
        first, last = said if isinstance(said, list) and len(said) == 2 else (said, said)
        field = _number(0, 0, FOREVER_S, "when it begins")
        begin, end = field.take(first), field.take(last)
        if begin is None or end is None or _float(begin) > _float(end):
            self._wrong("at", said, "seconds from the start, or [from, to]")
            return 0.0, 0.0
        return _float(begin), _float(end)

    def _wrong(self, field: object, found: object, allowed: str) -> None:
        self._complaints.append(f"{self.place}: {_shown(field).strip(chr(39))}: found {_shown(found)}; allowed: {allowed}")


def _float(value: Value) -> float:
    return float(value)


def _shown(value: object) -> str:
    """A value for a message: short and printable."""
    if value is None:
        return "nothing"
    text = "".join(mark if mark.isprintable() else "?" for mark in (repr(value) if not isinstance(value, bool) else str(value).lower()))
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"
