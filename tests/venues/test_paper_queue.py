"""Queue estimators against hftbacktest's digits (math M9)."""

import pytest

from pmm_tui.venues.paper.queue import QueuePlace, behind

M9 = {
    "power": (0.3076923077, 530.7692308, 363.2836816),
    "power2": (0.16, 516.0, 333.6022222),
    "power3": (0.64, 564.0, 403.42),
    "log": (0.4836743326, 548.3674333, 373.8383227),
    "log2": (0.8675892572, 586.7589257, 431.885693),
}


def placed(estimator: str, front: float = 600, back: float = 400) -> QueuePlace:
    """An order with this much in front, after others joined behind."""
    place = QueuePlace(front, behind(estimator))
    place.changed(front + back)
    return place


@pytest.mark.parametrize("estimator", M9)
class TestM9:
    def test_probability(self, estimator: str) -> None:
        assert behind(estimator)(600, 400) == pytest.approx(M9[estimator][0], rel=1e-9)

    def test_cancel_then_trade(self, estimator: str) -> None:
        place = placed(estimator)
        assert place.front == 600
        place.changed(900)
        assert place.front == pytest.approx(M9[estimator][1], rel=1e-9)
        place.traded(150)
        place.changed(700)
        assert place.front == pytest.approx(M9[estimator][2], rel=1e-9)

    def test_an_empty_level_is_no_division_by_zero(self, estimator: str) -> None:
        place = QueuePlace(0, behind(estimator))
        place.changed(0)
        assert (place.front, place.ahead) == (0, 0)

    def test_the_place_never_gets_worse_and_never_below_zero(self, estimator: str) -> None:
        place = placed(estimator)
        best = place.front
        for size in (950, 1_200, 1_000, 400, 390, 800, 30, 0, 500):
            place.changed(size)
            assert 0 <= place.front <= min(best, size)
            best = place.front


def test_risk_adverse_advances_by_trades_only() -> None:
    place = placed("risk_adverse")
    place.changed(700)
    assert place.front == 600
    place.traded(100)
    assert place.front == 500
    place.changed(450)
    assert place.front == 450


def test_growth_is_behind_us() -> None:
    place = QueuePlace(100, behind("power"))
    place.changed(1_000)
    assert place.front == 100
    assert place.ahead == pytest.approx(0.1)


def test_a_trade_is_not_counted_again_as_a_cancel() -> None:
    place = QueuePlace(1_000, behind("power"))
    place.traded(400)
    place.changed(600)
    assert place.front == 600
    assert place.ahead == 1


def test_a_trade_larger_than_the_queue_leaves_nobody_ahead() -> None:
    place = QueuePlace(100, behind("log"))
    place.traded(500)
    assert place.front == 0
    place.swept()
    assert place.ahead == 0


@pytest.mark.parametrize(("q", "factor"), [(0.0, 1.0), (0.25, 0.6495190528), (0.5, 0.3535533906), (0.75, 0.125), (0.9, 0.0316227766)])
def test_the_queue_factor_of_m9(q: float, factor: float) -> None:
    place = QueuePlace(1_000, behind("power"))
    place.front = 1_000 * q
    assert (1 - place.ahead) ** 1.5 == pytest.approx(factor, abs=1e-10)


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of power"):
        behind("guess")
