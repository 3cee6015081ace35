# pragma version 0.4.3
# pragma evm-version cancun
# @title Onramp and offramp between the asset and pUSD, one for one. The same code stands at both addresses.

interface Dollar:
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable
    def mint(receiver: address, amount: uint256): nonpayable
    def burn(amount: uint256): nonpayable

ASSET: immutable(address)
PUSD: immutable(address)


@deploy
def __init__(asset: address, pusd: address):
    ASSET = asset
    PUSD = pusd


@internal
def _swap(given: address, wanted: address, receiver: address, amount: uint256):
    extcall Dollar(given).transferFrom(msg.sender, self, amount)
    extcall Dollar(given).burn(amount)
    extcall Dollar(wanted).mint(receiver, amount)


@external
def wrap(asset: address, to: address, amount: uint256):
    assert asset == ASSET, "asset not supported"
    self._swap(ASSET, PUSD, to, amount)


@external
def unwrap(asset: address, to: address, amount: uint256):
    assert asset == ASSET, "asset not supported"
    self._swap(PUSD, ASSET, to, amount)
