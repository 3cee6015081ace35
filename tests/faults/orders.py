"""What the tests of orders look at: which signed orders were sent how often, and what rests."""

from collections import Counter

from pmm_tui.core.units import Nanos
from pmm_tui.exchange.fault_asks import legs, places
from tests.faults.scene import Scene

NEAR = (4_600, 5_200)
"""Where the crowd moves so that the desk quotes anew: 0.47 for YES and 0.49 for NO."""


def salts(scene: Scene) -> Counter[str]:
    """How often each signed order was sent, by its salt and time."""
    found: Counter[str] = Counter()
    for _, ask in scene.asks:
        if places(ask):
            found.update(f"{leg['order']['salt']} {leg['order']['timestamp']}" for leg in legs(ask))
    return found


def one_for_each_wish(scene: Scene) -> bool:
    """No more than one order of the desk's rests at a price."""
    return max(Counter((order.token, order.side, order.price) for order in scene.resting()).values(), default=0) <= 1


READS = ("/data/orders", "/data/trades", "/balance-allowance")
"""What a reading of the whole account asks for."""


def read_between(scene: Scene, after: Nanos, until: Nanos) -> bool:
    """Whether the whole account was read in this time: each of its parts was asked for after its begin, and before its end."""
    return all([at for at in scene.arrived("GET", path) if after < at < until] for path in READS)
