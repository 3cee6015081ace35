"""Reports and enforces the branch coverage of the core after a test run: `python -m tests.branches`.

The total that coverage prints mixes lines with branches; a room full of straight lines can hide untested turns.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PER_CENT_MIN = 95.0


def main() -> int:
    """0 where enough branches of the core were taken by the last measured run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", "--quiet", "--fail-under=0", "-o", str(report)], check=True)
        totals = json.loads(report.read_text("utf-8"))["totals"]
    taken, there = totals["covered_branches"], totals["num_branches"]
    per_cent = 100.0 * taken / there if there else 0.0
    print(f"branch coverage of pmm_tui/core: {per_cent:.1f} % ({taken} of {there} branches; at least {PER_CENT_MIN:.0f} %)")
    return 0 if per_cent >= PER_CENT_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
