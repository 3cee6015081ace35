"""The reference price of a coin: the newest word of each source, the robust median of those that are fresh, and whether it may be believed.

math.md M16: med = median(fresh), scale = 1.4826 x MAD, what is farther from med than max(4 x scale, 1 bp) is dropped, the price is the
median of the rest. Two sources cannot outvote each other: then their distance alone says whether there is a price.
"""

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.market import Market
from pmm_tui.core.units import Cash, Nanos, bps_of

MAD_TO_SIGMA = 1.4826
DROP_SIGMAS = 4.0
DROP_BPS = 1.0
COINS = {
    "btc": "btc/usd",
    "bitcoin": "btc/usd",
    "eth": "eth/usd",
    "ethereum": "eth/usd",
    "sol": "sol/usd",
    "solana": "sol/usd",
    "xrp": "xrp/usd",
}
"""The symbol of a coin, by the words that slugs have for it."""
UNKNOWN = "?"
"""The symbol of a market that needs a reference price, while its slug does not say of what."""


class ReferenceKnobs(Struct, frozen=True):
    """Which markets need a reference price, and when there is one."""

    reference_markets: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(
            max_length=100,
            title="a list of up to 100 slugs",
            description="markets that need a reference price of their coin: slugs, or beginnings such as btc-updown-*; empty: none",
            extra={"restart": True},
        ),
    ] = ()
    reference_sources_min: Annotated[
        int, Meta(ge=1, le=10, description="a reference price needs this many sources that are fresh and not outliers")
    ] = 2
    reference_fresh_s: Annotated[
        float, Meta(ge=0.5, le=600, description="a source that told no newer price for this long is not fresh, seconds")
    ] = 5.0
    reference_apart_bps_max: Annotated[
        float, Meta(gt=0, le=10_000, description="sources farther apart than this make no reference price, basis points")
    ] = 30.0


class Word(Struct):
    """The newest price that a source told."""

    price: Cash
    ts: Nanos
    """The source's own time of it."""
    heard_at: Nanos
    """When the desk heard of it. Only a later `ts` is news: a source that repeats itself is frozen."""


class Source(Struct, frozen=True):
    """One source as it is judged."""

    name: str
    price: Cash
    age_ns: Nanos
    stands: str
    """used | stale | outlier"""


class Judgement(Struct, frozen=True):
    """What the sources are worth together."""

    price: Cash | None
    """Micro-dollars; None where `why` says what is missing."""
    apart_bps: float
    """From the lowest to the highest of the sources used; NaN with none."""
    sources: tuple[Source, ...]
    why: str
    """Empty where there is a price. It stays the same while the same thing is wrong."""


class Reference:
    """The sources of one symbol."""

    __slots__ = ("words",)

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}

    def hear(self, source: str, price: Cash, ts: Nanos, at: Nanos) -> bool:
        """A source told a price; whether that is news."""
        before = self.words.get(source)
        if before is not None and ts <= before.ts:
            return False
        self.words[source] = Word(price, ts, at)
        return True

    def judge(self, now: Nanos, knobs: ReferenceKnobs) -> Judgement:
        """Whether there is a reference price now, and which.

        The age of a source is the time since its last news, or how far its own time is behind the newest source's, whichever is more: no
        clock of a source is ever held against the desk's.
        """
        newest = max((word.ts for word in self.words.values()), default=0)
        ages = {name: Nanos(max(now - word.heard_at, newest - word.ts)) for name, word in sorted(self.words.items())}
        fresh = [name for name, age in ages.items() if age <= knobs.reference_fresh_s * 1e9]
        kept = dict(zip(fresh, clip([self.words[name].price for name in fresh]), strict=True))
        used = [self.words[name].price for name in fresh if kept[name]]
        price, apart = (median(used), (max(used) - min(used)) / median(used) * 1e4) if used else (None, float("nan"))
        why = ""
        if len(used) < knobs.reference_sources_min:
            count = f"{len(used)} of {len(ages)} fresh" if len(used) == len(fresh) else f"{len(used)} of {len(ages)} fresh and agreeing"
            why = f"reference: {count}, {knobs.reference_sources_min} are needed"
        elif apart > knobs.reference_apart_bps_max:
            why = f"reference: sources over {knobs.reference_apart_bps_max:g} bps apart"
        sources = tuple(
            Source(name, self.words[name].price, age, "stale" if name not in kept else "used" if kept[name] else "outlier")
            for name, age in ages.items()
        )
        return Judgement(None if why else price, apart, sources, why)


def median(prices: Sequence[Cash]) -> Cash:
    """The middle one, or the mean of the two in the middle, rounded down; there must be one."""
    ordered = sorted(prices)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else Cash((ordered[half - 1] + ordered[half]) // 2)


def clip(prices: Sequence[Cash]) -> list[bool]:
    """Which prices are no outliers (M16)."""
    if not prices:
        return []
    middle = median(prices)
    scale = MAD_TO_SIGMA * median([Cash(abs(price - middle)) for price in prices])
    most = max(DROP_SIGMAS * scale, bps_of(middle, DROP_BPS))
    return [abs(price - middle) <= most for price in prices]


def symbol_of(market: Market, knobs: ReferenceKnobs) -> str:
    """What the market needs a reference price of; empty where it needs none, UNKNOWN where its slug does not say."""
    if not any(chosen(market.slug, name) for name in knobs.reference_markets):
        return ""
    return next((COINS[word] for word in re.split(r"[^a-z0-9]+", market.slug.lower()) if word in COINS), UNKNOWN)


def chosen(slug: str, name: str) -> bool:
    """Whether a name means this slug: it is the slug, or with a * at its end the slug's beginning."""
    return slug.startswith(name[:-1]) if name.endswith("*") else slug == name


def symbols_of(knobs: ReferenceKnobs) -> tuple[str, ...]:
    """The symbols to listen for: those that the names of markets say, or all where one of them says none."""
    words = [re.split(r"[^a-z0-9]+", name.lower()) for name in knobs.reference_markets]
    said = [next((COINS[word] for word in name if word in COINS), "") for name in words]
    return tuple(dict.fromkeys(COINS.values() if "" in said else said))


def told(judgement: Judgement, knobs: ReferenceKnobs) -> str:
    """What is wrong, with its numbers of now: "reference: 1 of 2 fresh, chainlink 7.2 s old"; empty where nothing is."""
    if not judgement.why:
        return ""
    sources = judgement.sources
    used = [source for source in sources if source.stands == "used"]
    if len(used) >= knobs.reference_sources_min:
        prices = ", ".join(f"{source.name} {source.price / 1e6:.2f}" for source in used)
        return f"reference: {judgement.apart_bps:.0f} bps apart, {prices}"
    odd = [source for source in sources if source.stands != "used"]
    how = [f"{one.name} {one.age_ns / 1e9:.1f} s old" if one.stands == "stale" else f"{one.name} an outlier" for one in odd]
    return ", ".join([f"reference: {len(used)} of {len(sources)} fresh", *how])
