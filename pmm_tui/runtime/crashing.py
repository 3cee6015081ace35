"""`pmm-tui drill`: the production desk is killed at random points and started again; nothing acknowledged is lost, no order forgotten.

The exchange is a process of its own, with a crowd that trades, and so is each desk; all desks have one wallet, one profile and one logs
folder. What is compared: the journals that the killed desks left, and what the exchange says of the wallet to a client with its key.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from eth_account import Account
from msgspec import Struct, field

from pmm_tui.core.engine import Engine
from pmm_tui.core.events import AccountOpened, MarketListed, OrderAccepted, OrderFilled, OrderSigned, PositionFound
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import DOLLAR, Cash, Price, Size, gets, pays
from pmm_tui.record.invariants import Broken
from pmm_tui.record.journal import BALLAST
from pmm_tui.record.lines import LIVE, JournalCorrupt, JournalReader
from pmm_tui.runtime.cable import Cable
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crash_tally import Tally, figures, table
from pmm_tui.runtime.demo import PLACES, exchange
from pmm_tui.runtime.profile import find
from pmm_tui.runtime.replaying import engine_of
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import PRIVATE_KEY, Keys
from pmm_tui.venues.clob.port import Piece, Silent

GRANT = Cash(1_000 * DOLLAR)
"""What the exchange gives a wallet with its first key."""
TERMS = {
    "initial_balance": 1_000_000, "quote_interval_s": 0.25, "warm_up_s": 0, "kill_switch_max_drawdown_pct": 100, "max_position_size": 50,
    "max_balance_fraction_per_order": 0.05, "safe_mode_crashes": 0,
}  # fmt: skip
"""More than there is, so that the wallet's cash and the desk's are one number; quick quotes, so that a kill finds something under way."""
UP_S, END_S = 120.0, 60.0
LOOK_S = 0.02
STARTING_SHARE = 0.25
"""So many of the kills hit a desk that is still starting."""
LATE_SHARE = 0.15
"""So many of the kills catch orders between the desk and the exchange, and keep them there until the next desk is up."""
ARRIVE_S, ARRIVE_S_MAX, LATE_S = 1.0, 5.0, 10.0
"""How long what was let go has at least, and at most on a slow machine, to arrive; and how long it may rest then."""
_UP = b'"type":"LinkUp"', b'"link":"heartbeat"'
"""The last link to come up; from then on orders leave."""
_PAID = ("MINED", "CONFIRMED")


class Left(Struct):
    """What the journal of one run says."""

    ids: dict[str, int] = field(default_factory=dict)
    fills: dict[tuple[str, str], tuple[Price, Size]] = field(default_factory=dict)
    opened: Cash | None = None
    found: dict[str, Size] = field(default_factory=dict)
    quoted: set[str] = field(default_factory=set)
    """Markets in which an order was taken."""
    torn: bool = False
    ended: bool = False
    """Its last line is there."""
    engine: Engine | None = None
    """As the replay left it; None where the run was killed before it wrote anything."""


class Truth(Struct, frozen=True):
    """What the exchange says of the wallet, all of one moment."""

    opens: frozenset[str]
    pieces: tuple[Piece, ...]
    cash: Cash
    shares: dict[str, Size]


class Drill:
    """One wallet, its runs so far, and what the exchange must therefore say. Broken where it says something else."""

    def __init__(self, folder: Path, port: int, cable: Cable, **values: object) -> None:
        """In an empty folder, with the exchange's port and the cable to it. `values`: what differs in the profile."""
        self.folder = folder
        self.cable = cable
        self.logs = folder / "logs"
        self.account = Account.create()
        self.url = PLACES["clob_url"].format(port=port)
        self.profile = folder / "drill.yaml"
        told = TERMS | {name: url.format(port=cable.port) for name, url in PLACES.items()} | values
        lines = [line for line in find("local-prod").read_text(encoding="utf-8").splitlines() if line.split(":")[0] not in told]
        self.profile.write_text("\n".join([*lines, *(f"{name}: {value}" for name, value in told.items())]) + "\n", encoding="utf-8")
        self.logs.mkdir()
        (folder / "run").mkdir()
        self.tally = Tally()
        self.ids: set[str] = set()
        """Every order that any run wrote down."""
        self.markets: dict[str, Market] = {}
        self._runs: set[str] = set()

    def start(self) -> "subprocess.Popen[bytes]":
        """A desk."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("PMM_", "POLY"))}
        homes = {"XDG_RUNTIME_DIR": "run", "XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config"}
        env = plain | {name: str(self.folder / home) for name, home in homes.items()} | {PRIVATE_KEY: self.account.key.hex()}
        words = [sys.executable, "-m", "pmm_tui", "--profile", str(self.profile), "--no-ui", "--logs", str(self.logs)]
        with (self.folder / "desk.out").open("wb") as out:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True)  # noqa: S603 - our own program

    async def open_client(self) -> client.SdkClob:
        """The wallet's own view of the exchange."""
        return await client.make(Keys(self.account), self.url, chance=Random(1), clock=Clock())  # noqa: S311 - it signs no order

    def run_folder(self) -> Path | None:
        """The folder of the run under way; None before it is made."""
        fresh = [path for path in self.logs.iterdir() if path.name not in self._runs]
        return fresh[0] if fresh else None

    async def up(self, child: "subprocess.Popen[bytes]", until: float) -> bool:
        """Whether orders may leave before this time (monotonic). Broken where the desk ends by itself."""
        read = 0
        while time.monotonic() < until:
            _hold(child.poll() is None, "a desk starts", f"code {child.poll()}: {self.said()}")
            folder = self.run_folder()
            if folder is not None and (folder / LIVE).exists():
                with (folder / LIVE).open("rb") as journal:
                    journal.seek(read)
                    lines = journal.read().splitlines(keepends=True)
                if any(all(part in line for part in _UP) for line in lines):
                    return True
                read += sum(len(line) for line in lines if line.endswith(b"\n"))
            await asyncio.sleep(LOOK_S)
        return False

    def said(self) -> str:
        """What the last desk said at its end."""
        return (self.folder / "desk.out").read_text(encoding="utf-8", errors="replace")[-1_000:]

    async def truth(self, clob: client.SdkClob) -> Truth:
        """Read until two readings around all others agree: an order of a dead desk may fill meanwhile."""
        async with asyncio.timeout(END_S):
            while True:
                try:
                    pieces = await clob.trades(0)
                    opens = frozenset(one.id.lower() for one in await clob.open_orders())
                    cash = await clob.cash()
                    tokens = [(token, market) for market in self.markets.values() for token in (market.yes, market.no)]
                    shares = {token: await clob.shares(token, market) for token, market in tokens}
                    if await clob.trades(0) == pieces:
                        return Truth(opens, tuple(pieces), cash, shares)
                except Silent:
                    # A connection that was kept too long: a reading that failed proves nothing, and is done again.
                    await asyncio.sleep(LOOK_S)

    def bury(self) -> Left:
        """Read and replay what the run left; it is no longer the one under way."""
        folder = self.run_folder()
        if folder is None:
            return Left()
        self._runs.add(folder.name)
        left = self._read(folder)
        (folder / BALLAST).unlink(missing_ok=True)
        self.ids |= left.ids.keys()
        self.tally.orders += len(left.ids)
        self.tally.torn += left.torn
        return left

    def _read(self, folder: Path) -> Left:
        left, names = Left(), dict[int, str]()
        places: dict[int, str] = {}
        try:
            journal = JournalReader(folder)
        except (FileNotFoundError, JournalCorrupt) as none:
            _hold(not (folder / LIVE).exists() or "no whole header" in str(none), "a killed desk's journal can be read", str(none))
            return left
        left.engine = engine_of(journal.header)
        for entry in journal:
            event = entry.event
            answered = left.engine.step(event)
            _hold(answered == entry.commands, "a killed desk's journal replays", f"{folder} at seq {entry.seq}: {answered}")
            places |= {command.order: command.market for command in answered if hasattr(command, "market") and hasattr(command, "order")}
            if isinstance(event, OrderSigned):
                names[event.order] = event.venue_id.lower()
                left.ids[event.venue_id.lower()] = event.order
            elif isinstance(event, OrderFilled):
                left.fills[event.trade, names[event.order]] = (event.price, event.size)
            elif isinstance(event, AccountOpened):
                left.opened = event.cash
            elif isinstance(event, PositionFound):
                left.found[event.token] = event.size
            elif isinstance(event, MarketListed):
                self.markets[event.market.id] = event.market
            elif isinstance(event, OrderAccepted):
                left.quoted.add(places[event.order])
        left.torn, left.ended = bool(journal.torn), journal.closing is not None
        return left

    def check(self, left: Left, truth: Truth, late: frozenset[str] = frozenset()) -> None:
        """What the exchange says against what all journals say. `late`: orders of a dead desk that came while this one was up."""
        known = left.ids.keys() if left.opened is not None else self.ids
        _hold(truth.opens <= known, "every order that rests was written down, and none is of before the start", str(truth.opens - known))
        lost = self.cable.acknowledged - self.ids
        _hold(not lost, "every order that was acknowledged was written down", str(lost))
        traded = {piece.order.lower() for piece in truth.pieces}
        _hold(traded <= self.ids, "every order that traded was written down", str(traded - self.ids))
        cash, shares = books(truth.pieces)
        _hold(cash == truth.cash, "the fills of the written orders are the wallet's cash", f"{cash} for {truth.cash}")
        held = {token: size for token, size in truth.shares.items() if size}
        _hold(shares == held, "and its shares", f"{shares} for {held}")
        if left.opened is None:
            return
        before_cash, before = books(tuple(piece for piece in truth.pieces if piece.order.lower() not in left.ids.keys() | late))
        _hold(left.opened == before_cash, "a desk opens with the cash that all runs before it left", f"{left.opened} for {before_cash}")
        for market in [self.markets[name] for name in left.quoted]:
            for token in (market.yes, market.no):
                said = f"{left.found.get(token, 0)} for {before.get(token, 0)}"
                _hold(left.found.get(token, 0) == before.get(token, 0), "and finds the shares that they left", said)
        pieces = {(piece.trade, piece.order.lower()): (piece.price, piece.size) for piece in truth.pieces}
        for key, terms in left.fills.items():
            _hold(pieces.get(key) == terms, "a fill in the journal is one of the exchange's", f"{key}: {terms} for {pieces.get(key)}")


def books(pieces: tuple[Piece, ...]) -> tuple[Cash, dict[str, Size]]:
    """Cash and shares of a wallet after these trades, as far as the chain has them. Makers pay no fee."""
    cash, shares = int(GRANT), dict[str, int]()
    for piece in pieces:
        _hold(piece.maker, "the drill's desk is a maker", str(piece))
        if piece.status in _PAID:
            buys = piece.side is Side.BUY
            cash += -pays(piece.price, piece.size) if buys else gets(piece.price, piece.size)
            shares[piece.token] = shares.get(piece.token, 0) + (piece.size if buys else -piece.size)
    return Cash(cash), {token: Size(size) for token, size in shares.items() if size}


def _hold(holds: bool, invariant: str, found: str) -> None:
    if not holds:
        raise Broken(invariant, found)


async def crash(drill: Drill, kills: int, seed: int, window_s: float) -> Tally:
    """Start, kill -9 at a seeded random moment, compare; `kills` times. Then once more, to the end in order.

    window_s: a desk that is up is killed within this time. Broken at the first difference.
    """
    chance, tally = Random(seed), drill.tally  # noqa: S311 - a drill is to be repeated, not to be secret
    clob = await drill.open_client()
    try:
        for _ in range(kills):
            await (kill_late(drill, clob) if chance.random() < LATE_SHARE else _kill_once(drill, clob, chance, window_s))
            _progress(tally, kills)
        await _end(drill, clob, window_s)
    finally:
        await clob.close()
    tally.acknowledged = len(drill.cable.acknowledged)
    return tally


async def _kill_once(drill: Drill, clob: client.SdkClob, chance: Random, window_s: float) -> None:
    tally = drill.tally
    early = chance.random() < STARTING_SHARE
    typical_s = sorted(tally.starts_s)[len(tally.starts_s) // 2] if tally.starts_s else 2.0
    after_s = chance.random() * (typical_s if early else window_s)
    began = time.monotonic()
    child = drill.start()
    try:
        up = await drill.up(child, began + (after_s if early else UP_S))
        _hold(up or early, "a desk comes up", f"not within {UP_S:g} s: {drill.said()}")
        if up:
            tally.starts_s.append(time.monotonic() - began)
        if not early:
            await asyncio.sleep(after_s)
    finally:
        child.kill()
        child.wait()
    tally.while_starting += not up
    await _compared(drill, clob)


async def _compared(drill: Drill, clob: client.SdkClob, late: frozenset[str] = frozenset()) -> None:
    """What a killed desk left, against what the exchange says."""
    tally, left = drill.tally, drill.bury()
    truth = await drill.truth(clob)
    drill.check(left, truth, late)
    tally.kills += 1
    tally.left_resting += len(truth.opens)
    tally.fills = len(truth.pieces)
    tally.unseen += sum(piece.order.lower() in left.ids and (piece.trade, piece.order.lower()) not in left.fills for piece in truth.pieces)


async def kill_late(drill: Drill, clob: client.SdkClob) -> None:
    """Kill a desk whose orders have left it and not arrived; they arrive when the next desk is up, and may not rest for long then."""
    child = drill.start()
    try:
        _hold(await drill.up(child, time.monotonic() + UP_S), "a desk comes up", drill.said())
        drill.cable.hold_orders()
        until = time.monotonic() + UP_S
        while not drill.cable.held:
            _hold(child.poll() is None, "a desk goes on without answers", drill.said())
            _hold(time.monotonic() < until, "a desk that is up places orders", f"none within {UP_S:g} s: {drill.said()}")
            await asyncio.sleep(LOOK_S)
    finally:
        child.kill()
        child.wait()
    late = frozenset([id_ for id_ in drill.bury().ids if await clob.order(id_) is None])
    child = drill.start()
    try:
        _hold(await drill.up(child, time.monotonic() + UP_S), "a desk comes up", drill.said())
        drill.cable.pass_orders()
        await asyncio.sleep(ARRIVE_S)
        until = time.monotonic() + ARRIVE_S_MAX
        while late and time.monotonic() < until and not any([await clob.order(id_) for id_ in late]):
            await asyncio.sleep(LOOK_S)
        until = time.monotonic() + LATE_S
        while resting := late & {one.id.lower() for one in await clob.open_orders()}:
            _hold(time.monotonic() < until, "an order of a dead desk that comes late is cancelled", str(resting))
            _hold(child.poll() is None, "a desk outlives what it finds", drill.said())
            await asyncio.sleep(LOOK_S)
    finally:
        child.kill()
        child.wait()
    drill.tally.late += len([id_ for id_ in late if await clob.order(id_) is not None])
    await _compared(drill, clob, late)


async def _end(drill: Drill, clob: client.SdkClob, window_s: float) -> None:
    """The last run: it ends in order, nothing rests, and its books are the exchange's to the micro-dollar."""
    child = drill.start()
    try:
        _hold(await drill.up(child, time.monotonic() + UP_S), "a desk comes up", drill.said())
        await asyncio.sleep(window_s)
        child.send_signal(signal.SIGTERM)
        ended = await asyncio.to_thread(child.wait, END_S)
        _hold(ended == 0, "the last run ends in order", f"code {ended}: {drill.said()}")
    finally:
        child.kill()
        child.wait()
    left = drill.bury()
    truth = await drill.truth(clob)
    while any(piece.status not in (*_PAID, "FAILED") for piece in truth.pieces):
        await asyncio.sleep(LOOK_S)
        truth = await drill.truth(clob)
    drill.check(left, truth)
    _hold(not truth.opens, "in the end nothing rests", str(truth.opens))
    assert left.engine is not None  # it ended in order  # noqa: S101 - tells the type checker
    portfolio = left.engine.state.portfolio
    _hold(portfolio.cash == truth.cash, "the desk's cash is the exchange's", f"{portfolio.cash} for {truth.cash}")
    ours = {token: held.shares for token, held in portfolio.holdings.items() if held.shares}
    theirs = {token: size for market in left.engine.state.markets.values() for token in (market.market.yes, market.market.no)
              if (size := truth.shares.get(token, Size(0)))}  # fmt: skip
    _hold(ours == theirs, "the desk's shares are the exchange's", f"{ours} for {theirs}")


def _progress(tally: Tally, kills: int) -> None:
    if tally.kills * 10 // kills > (tally.kills - 1) * 10 // kills:
        sys.stderr.write(f"{tally.kills} of {kills} kills\n")
        sys.stderr.flush()


def run_drill(kills: int, seed: int, window_s: float, as_json: bool) -> int:
    """The whole drill with an exchange of its own. 0: everything held; 1: something did not, and the runs are kept where it says."""
    folder = Path(tempfile.mkdtemp(prefix="pmm-drill-"))
    with exchange("", 0.0) as port:
        try:
            tally = asyncio.run(_drilled(folder, port, kills, seed, window_s))
        except Broken as broken:
            sys.stdout.write(f"seed {seed}: BROKEN: {': '.join(broken.args)}\nthe runs are in {folder}\n")
            return 1
    shutil.rmtree(folder)
    sys.stdout.write((json.dumps(figures(tally)) if as_json else table(tally)) + "\n")
    return 0


async def _drilled(folder: Path, port: int, kills: int, seed: int, window_s: float) -> Tally:
    cable = Cable(port)
    await cable.mend()
    try:
        return await crash(Drill(folder, port, cable), kills, seed, window_s)
    finally:
        await cable.close()
