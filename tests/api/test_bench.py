"""The bench of the api does its work and says every number; how fast this machine is, is not asked."""

import math

import msgspec
from msgspec.structs import replace

from pmm_tui.runtime.bench import QUICK, Report, measure


def test_the_cost_of_faces_is_measured_with_none_one_and_fifty() -> None:
    report = measure(replace(QUICK, api_s=0.4, api_rounds=1), lambda _: None, api=True)
    told = {one.name: one for one in report.figures}
    for faces in ("no face", "one face", "50 faces, 25 of them reading nothing"):
        for share in ("p50", "p99"):
            assert 0 < told[f"fact to decision, {faces}: {share}"].median < math.inf
    assert told["one picture"].median > 10 and told["pictures a second, 50 faces"].median > 0
    assert told["the same, 50 faces over none: p50"].aim and told["memory for 50 faces, beyond none"].aim
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
