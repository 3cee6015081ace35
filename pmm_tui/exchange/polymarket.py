"""Polymarket without a socket or a clock: requests in, answers and frames out."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pmm_tui.core.units import Cash, Nanos
from pmm_tui.exchange import control, gamma, listings, private, public, readonly, rewards, shapes
from pmm_tui.exchange.acts import carry_out
from pmm_tui.exchange.auth import Account, Credentials, Keys, Refused
from pmm_tui.exchange.channels import Channels
from pmm_tui.exchange.faults import NEVER, Faults, Verdict
from pmm_tui.exchange.habits import Habits, Modes
from pmm_tui.exchange.heartbeats import Heartbeats
from pmm_tui.exchange.limits import Limits, cost_of
from pmm_tui.exchange.prices import Prices
from pmm_tui.exchange.private import Private, wallets_of_all
from pmm_tui.exchange.readonly import ReadonlyKeys
from pmm_tui.exchange.rtds import Rtds
from pmm_tui.exchange.terms import Answer, Ask, Fact, Frame
from pmm_tui.exchange.view import View

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching


NOTHING = Cash(0)
_MAKES_KEYS = (("POST", "/auth/api-key"), ("GET", "/auth/derive-api-key"))
_KEEPS_KEYS = (("GET", "/auth/api-keys"), ("DELETE", "/auth/api-key"))
_READONLY = (("POST", readonly.ONE), ("DELETE", readonly.ONE), ("GET", readonly.MANY))
_BEATS = ("POST", "/v1/heartbeats")


class Crowd(Protocol):
    """The exchange's other participants. One that knows what BTC costs says so in a method `btc() -> Cash`."""

    def act(self, matching: "Matching", at: Nanos) -> Nanos:
        """Do what is due; when there is more to do."""
        ...


class Polymarket:
    """The venue's protocol over a matching core. `grant`: what a wallet gets with its first key; `trusting`: order signatures hold."""

    def __init__(
        self,
        matching: "Matching",
        keys: Keys,
        faults: Faults | None = None,
        *,
        grant: Cash = NOTHING,
        trusting: bool = False,
        habits: Habits | None = None,
    ) -> None:
        self.matching = matching
        self.keys = keys
        self.faults = faults or Faults()
        self.prices = Prices(Random(0))  # noqa: S311 - a price to be repeated, not to be secret
        self.channels = Channels(matching, keys, self.faults, Rtds(self.prices))
        self.view = View(matching, self.channels.boards, habits or Habits())
        self.modes = Modes()
        self.limits = Limits()
        self.heartbeats = Heartbeats()
        self.crowd: Crowd | None = None
        """The other participants."""
        self.mirror: Callable[[Fact], None] | None = None
        """Told every fact of the matching core, in order: a chain that follows."""
        self.granted: Callable[[str, Cash], None] | None = None
        """Told what a wallet was given with its first key."""
        self._crowd_due = NEVER
        self._private = Private(self.view, self.modes, self.faults, trusting)
        self._readonly = ReadonlyKeys()
        self._grant = grant
        self._granted: set[str] = set()

    def join(self, crowd: Crowd, at: Nanos) -> None:
        """Others take part from now on."""
        self.crowd, self._crowd_due = crowd, at
        self.advance(at)

    # --- requests -------------------------------------------------------------------------------------------------------------------------

    def judge(self, ask: Ask, at: Nanos) -> Verdict:
        """What becomes of a request before it is answered: a fault's blow, and the hold of an order that would take."""
        verdict, hold_ms = self.faults.judge(ask, at), self.view.habits.taker_hold_ms
        return verdict.join(Verdict(late_ms=hold_ms)) if hold_ms and self._private.takes(ask) else verdict

    def answer(self, ask: Ask, at: Nanos) -> Answer:
        """The true answer; what it moved is told on the channels. The caller asks `judge` first."""
        if ask.path == control.PATH:
            return control.answer(self.view, self.modes, ask, at)
        if self.view.habits.limits == "on" and (refused := self.limits.in_front(ask, at)) is not None:
            return refused
        said = public.answer(self.view, ask, at) or gamma.answer(self.view, ask) or listings.answer(self.view, ask)
        said = said or rewards.answer(self.view, ask, at) or self._answer_private(ask, at)
        self._tell(at)
        return said

    def _answer_private(self, ask: Ask, at: Nanos) -> Answer:
        asked = (ask.method, ask.path)
        if asked == ("GET", readonly.VALIDATE):
            return self._readonly.validate(ask)
        if asked in _MAKES_KEYS:
            return self._key(ask, at)
        if asked not in (*_KEEPS_KEYS, *_READONLY, _BEATS) and not private.known(ask):
            return shapes.error("not found", 404)
        account = self.keys.check_l2(ask, at)
        if isinstance(account, Refused):
            return shapes.error(account.error, 401)
        if asked in _READONLY:
            return self._readonly.answer(ask, account.address)
        if asked == ("GET", "/auth/api-keys"):
            return shapes.answer({"apiKeys": self.keys.of(account.address)})
        if asked == ("DELETE", "/auth/api-key"):
            self.keys.revoke(account.api_key)
            return shapes.answer("OK")
        return self._beat(ask, account.api_key, at) if asked == _BEATS else self._trade(ask, account, at)

    def _trade(self, ask: Ask, account: Account, at: Nanos) -> Answer:
        """What costs its signer tokens, where they are counted; and all other requests of an account."""
        habits, cost = self.view.habits, cost_of(ask)
        if habits.limits == "off" or cost is None:
            return self._private.answer(ask, account, at)
        toll = self.limits.charge(account.address, *cost, habits, at)
        if toll.refused is not None:
            return toll.refused
        said = self._private.answer(ask, account, at)
        if ask.path in ("/cancel-all", "/cancel-market-orders") and said.status == 200:
            gone = msgspec.json.decode(said.body)["canceled"]
            self.limits.sweep(account.address, len(gone), habits, at)
        return msgspec.structs.replace(said, headers=said.headers | toll.headers)

    def _key(self, ask: Ask, at: Nanos) -> Answer:
        proven = self.keys.check_l1(ask, at)
        if isinstance(proven, Refused):
            return shapes.error(proven.error, 401)
        made: Credentials | None = (self.keys.create if ask.method == "POST" else self.keys.derive)(*proven)
        if made is None:
            return shapes.error("Could not create api key" if ask.method == "POST" else "Could not derive api key!")
        for wallet in wallets_of_all(proven[0]):
            if self._grant and wallet not in self._granted:
                self._granted.add(wallet)
                self.matching.deposit(wallet, self._grant)
                if self.granted is not None:
                    self.granted(wallet, self._grant)
        return shapes.answer({"apiKey": made.key, "secret": made.secret, "passphrase": made.passphrase})

    def _beat(self, ask: Ask, owner: str, at: Nanos) -> Answer:
        try:
            last = str(msgspec.json.decode(ask.body, type=dict[str, Any]).get("heartbeat_id", ""))
        except msgspec.DecodeError:
            return shapes.error("Invalid payload")
        following, taken = self.heartbeats.beat(owner, last, at)
        if taken:
            return shapes.answer({"heartbeat_id": following})
        return shapes.answer({"error_msg": "Invalid Heartbeat ID", "heartbeat_id": following}, 400)

    # --- sockets --------------------------------------------------------------------------------------------------------------------------

    def open(self, channel: str) -> int:
        """A new socket on `market`, `user` or `rtds`; its number."""
        return self.channels.open(channel)

    def hear(self, channel: str, session: int, raw: str, at: Nanos) -> None:
        """A text frame from a client."""
        self._price(at)
        self.channels.hear(session, raw, at)

    def shut(self, channel: str, session: int) -> None:
        """A socket is gone."""
        self.channels.shut(session)

    def frames(self, at: Nanos) -> list[tuple[int, Frame]]:
        """The frames that leave by now, with the sockets they leave on."""
        return self.channels.frames(at)

    # --- time -----------------------------------------------------------------------------------------------------------------------------

    def due(self) -> Nanos:
        """When something is due: settlement or a frame."""
        return min(self.matching.due(), self.channels.due(), self.heartbeats.due(), self.faults.due(), self._crowd_due)

    def advance(self, to: Nanos) -> None:
        """Do what is due by `to`, and tell it."""
        if self.crowd is not None and self._crowd_due <= to:
            self._crowd_due = self.crowd.act(self.matching, to)
        for what, given in self.faults.due_acts(to):
            carry_out(self.matching, what, given, to)
        for owner in self.heartbeats.lapsed(to):
            self.matching.cancel_where("", to, owner=owner)
        self.matching.advance(to)
        self._price(to)
        self.channels.tell_prices(to)
        self.view.earnings.note(self.matching, self.matching.accrual, to)
        self._tell(to)

    def _price(self, at: Nanos) -> None:
        """Reference prices come this far."""
        self.prices.note(at, getattr(self.crowd, "btc", None))

    def _tell(self, at: Nanos) -> None:
        """What just happened, to the channels and to the chain."""
        facts = self.matching.take()
        self.channels.tell(facts, at)
        if self.mirror is not None:
            for fact in facts:
                self.mirror(fact)
