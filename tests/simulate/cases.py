"""Seeds that once failed, and what each taught. A seed's meaning changes when the draws change: then the next that shows it is kept."""

CASES: dict[int, str] = {
    5: "orders under cancellation count among the open ones: a requote may not pass max_open_orders",
    8: "an account is only comparable with ours when its answer told every unsettled fill: each Sync asks about all of them",
    45: "an uncertain order that is found resting after its market was paused must be cancelled, though the book does not move",
    208: "a fill can fail after the market paid out: then the payout goes back with it",
    697: "undoing a failed buy after a sale at the average cost left a negative cost on no shares: what cannot be cost was realised",
    950: "two account answers under way together, or one told twice, are one miss: three in a row within 100 ms killed a sound desk",
    101846: "a flatten prices from the touch, which may be off the grid of a tick that has just changed",
}
