"""Polymarket without a socket or a clock: requests in, answers and frames out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pmm_tui.core.units import Cash, Nanos
from pmm_tui.exchange import listings, public, shapes
from pmm_tui.exchange.acts import carry_out
from pmm_tui.exchange.auth import Credentials, Keys, Refused
from pmm_tui.exchange.channels import Channels
from pmm_tui.exchange.eip712 import wallets_of
from pmm_tui.exchange.faults import NEVER, Faults
from pmm_tui.exchange.heartbeats import Heartbeats
from pmm_tui.exchange.private import Private
from pmm_tui.exchange.terms import Answer, Ask, Fact, Frame

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching


NOTHING = Cash(0)


class Crowd(Protocol):
    """The exchange's other participants."""

    def act(self, matching: "Matching", at: Nanos) -> Nanos:
        """Do what is due; when there is more to do."""
        ...


def wallets_of_all(owner: str) -> list[str]:
    """Every wallet that a key may trade for: its own address, and what the venue's factories make of it."""
    return [owner.lower(), *(wallet.lower() for kind in (1, 2, 3) for wallet in wallets_of(owner, kind))]


class Polymarket:
    """The venue's protocol over a matching core. `grant`: what a wallet gets with its first key; `trusting`: order signatures hold."""

    def __init__(
        self, matching: "Matching", keys: Keys, faults: Faults | None = None, *, grant: Cash = NOTHING, trusting: bool = False
    ) -> None:
        self.matching = matching
        self.keys = keys
        self.faults = faults or Faults()
        self.channels = Channels(matching, keys, self.faults)
        self.heartbeats = Heartbeats()
        self.crowd: Crowd | None = None
        """The other participants."""
        self.mirror: Callable[[Fact], None] | None = None
        """Told every fact of the matching core, in order: a chain that follows."""
        self.granted: Callable[[str, Cash], None] | None = None
        """Told what a wallet was given with its first key."""
        self._crowd_due = NEVER
        self._private = Private(matching, self.faults, trusting)
        self._grant = grant
        self._granted: set[str] = set()

    def join(self, crowd: Crowd, at: Nanos) -> None:
        """Others take part from now on."""
        self.crowd, self._crowd_due = crowd, at
        self.advance(at)

    def answer(self, ask: Ask, at: Nanos) -> Answer:
        """The true answer; what it moved is told on the channels. The caller asks `faults.judge` first."""
        told = public.answer(self.matching, ask, at) or listings.answer(self.matching, ask, at)
        said = told or self._answer_private(ask, at)
        self._tell(at)
        return said

    def _answer_private(self, ask: Ask, at: Nanos) -> Answer:
        if (ask.method, ask.path) in (("POST", "/auth/api-key"), ("GET", "/auth/derive-api-key")):
            return self._key(ask, at)
        account = self.keys.check_l2(ask, at)
        if isinstance(account, Refused):
            return shapes.error(account.error, 401)
        if (ask.method, ask.path) == ("GET", "/auth/api-keys"):
            return shapes.answer({"apiKeys": self.keys.of(account.address)})
        if (ask.method, ask.path) == ("POST", "/v1/heartbeats"):
            return self._beat(ask, account.api_key, at)
        if (ask.method, ask.path) == ("DELETE", "/auth/api-key"):
            self.keys.revoke(account.api_key)
            return shapes.answer("OK")
        return self._private.answer(ask, account, at)

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

    def open(self, channel: str) -> int:
        """A new socket on `market` or `user`; its number."""
        return self.channels.open(channel)

    def hear(self, channel: str, session: int, raw: str, at: Nanos) -> None:
        """A text frame from a client."""
        self.channels.hear(session, raw, at)

    def shut(self, channel: str, session: int) -> None:
        """A socket is gone."""
        self.channels.shut(session)

    def frames(self, at: Nanos) -> list[tuple[int, Frame]]:
        """The frames that leave by now, with the sockets they leave on."""
        return self.channels.frames(at)

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
        self._tell(to)

    def _tell(self, at: Nanos) -> None:
        """What just happened, to the channels and to the chain."""
        facts = self.matching.take()
        self.channels.tell(facts, at)
        if self.mirror is not None:
            for fact in facts:
                self.mirror(fact)
