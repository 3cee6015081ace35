# pragma version 0.4.3
# pragma evm-version cancun
# @title Split, merge and redeem in pUSD: the surface of the conditional tokens, with the collateral wrapped and unwrapped on the way.

interface Dollar:
    def balanceOf(owner: address) -> uint256: view
    def approve(spender: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

interface Ramp:
    def wrap(asset: address, to: address, amount: uint256): nonpayable
    def unwrap(asset: address, to: address, amount: uint256): nonpayable

interface Tokens:
    def positions(condition: bytes32, index: uint256) -> uint256: view
    def balanceOf(owner: address, id: uint256) -> uint256: view
    def safeBatchTransferFrom(
        sender: address, receiver: address, ids: DynArray[uint256, 64], amounts: DynArray[uint256, 64], data: Bytes[64]
    ): nonpayable
    def splitPosition(collateral: address, parent: bytes32, condition: bytes32, partition: DynArray[uint256, 2], amount: uint256): nonpayable
    def mergePositions(collateral: address, parent: bytes32, condition: bytes32, partition: DynArray[uint256, 2], amount: uint256): nonpayable
    def redeemPositions(collateral: address, parent: bytes32, condition: bytes32, sets: DynArray[uint256, 2]): nonpayable

ASSET: immutable(address)
PUSD: immutable(address)
ONRAMP: immutable(address)
OFFRAMP: immutable(address)
TOKENS: immutable(address)


@deploy
def __init__(asset: address, pusd: address, onramp: address, offramp: address, tokens: address):
    ASSET = asset
    PUSD = pusd
    ONRAMP = onramp
    OFFRAMP = offramp
    TOKENS = tokens


@external
def onERC1155Received(operator: address, sender: address, id: uint256, amount: uint256, data: Bytes[64]) -> bytes4:
    return 0xf23a6e61


@external
def onERC1155BatchReceived(
    operator: address, sender: address, ids: DynArray[uint256, 64], amounts: DynArray[uint256, 64], data: Bytes[64]
) -> bytes4:
    return 0xbc197c81


@internal
@view
def _ids(condition: bytes32) -> DynArray[uint256, 64]:
    return [staticcall Tokens(TOKENS).positions(condition, 0), staticcall Tokens(TOKENS).positions(condition, 1)]


@internal
def _wrap_all(receiver: address):
    amount: uint256 = staticcall Dollar(ASSET).balanceOf(self)
    if amount > 0:
        extcall Dollar(ASSET).approve(ONRAMP, amount)
        extcall Ramp(ONRAMP).wrap(ASSET, receiver, amount)


@external
def splitPosition(collateral: address, parent: bytes32, condition: bytes32, partition: DynArray[uint256, 2], amount: uint256):
    extcall Dollar(PUSD).transferFrom(msg.sender, self, amount)
    extcall Dollar(PUSD).approve(OFFRAMP, amount)
    extcall Ramp(OFFRAMP).unwrap(ASSET, self, amount)
    extcall Dollar(ASSET).approve(TOKENS, amount)
    extcall Tokens(TOKENS).splitPosition(ASSET, empty(bytes32), condition, [1, 2], amount)
    extcall Tokens(TOKENS).safeBatchTransferFrom(self, msg.sender, self._ids(condition), [amount, amount], b"")


@external
def mergePositions(collateral: address, parent: bytes32, condition: bytes32, partition: DynArray[uint256, 2], amount: uint256):
    extcall Tokens(TOKENS).safeBatchTransferFrom(msg.sender, self, self._ids(condition), [amount, amount], b"")
    extcall Tokens(TOKENS).mergePositions(ASSET, empty(bytes32), condition, [1, 2], amount)
    self._wrap_all(msg.sender)


@external
def redeemPositions(collateral: address, parent: bytes32, condition: bytes32, sets: DynArray[uint256, 2]):
    ids: DynArray[uint256, 64] = self._ids(condition)
    held: DynArray[uint256, 64] = [
        staticcall Tokens(TOKENS).balanceOf(msg.sender, ids[0]), staticcall Tokens(TOKENS).balanceOf(msg.sender, ids[1])
    ]
    extcall Tokens(TOKENS).safeBatchTransferFrom(msg.sender, self, ids, held, b"")
    extcall Tokens(TOKENS).redeemPositions(ASSET, empty(bytes32), condition, [1, 2])
    self._wrap_all(msg.sender)
