# pragma version 0.4.3
# pragma evm-version cancun
# @title What one coin of gas costs in dollars, eight decimals, with the surface of a Chainlink feed.

ANSWER: immutable(int256)


@deploy
def __init__(answer: int256):
    ANSWER = answer


@external
@view
def decimals() -> uint8:
    return 8


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    return 1, ANSWER, block.timestamp, block.timestamp, 1
