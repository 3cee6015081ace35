"""Seeded chance for the simulated venue: the same seed gives the same draws on every machine and Python."""

_MASK = (1 << 64) - 1


class Chance:
    """SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, no dependence on the platform."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits(self) -> int:
        """The next 64 random bits."""
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return state ^ (state >> 31)

    def unit(self) -> float:
        """A float in [0, 1)."""
        return (self.bits() >> 11) / 9007199254740992.0

    def hits(self, probability: float) -> bool:
        """True with this probability; nothing is drawn where the answer is certain."""
        return probability > 0 and (probability >= 1 or self.unit() < probability)
