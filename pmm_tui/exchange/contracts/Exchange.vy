# pragma version 0.4.3
# pragma evm-version cancun
# @title Settlement by the operator: take dollars and shares, mint or merge pairs of them, hand out the rest. What is left is the fee.

interface Dollar:
    def approve(spender: address, amount: uint256) -> bool: nonpayable
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

interface Tokens:
    def setApprovalForAll(operator: address, approved: bool): nonpayable
    def safeTransferFrom(sender: address, receiver: address, id: uint256, amount: uint256, data: Bytes[64]): nonpayable

interface Adapter:
    def splitPosition(collateral: address, parent: bytes32, condition: bytes32, partition: DynArray[uint256, 2], amount: uint256): nonpayable
    def mergePositions(collateral: address, parent: bytes32, condition: bytes32, partition: DynArray[uint256, 2], amount: uint256): nonpayable

event Settled:
    condition: indexed(bytes32)
    minted: uint256
    merged: uint256

# One movement: token 0 is pUSD, everything else a share.
struct Leg:
    wallet: address
    token: uint256
    amount: uint256

OPERATOR: immutable(address)
PUSD: immutable(address)
TOKENS: immutable(address)
ADAPTER: immutable(address)


@deploy
def __init__(operator: address, pusd: address, tokens: address, adapter: address):
    OPERATOR = operator
    PUSD = pusd
    TOKENS = tokens
    ADAPTER = adapter


@external
def onERC1155Received(operator: address, sender: address, id: uint256, amount: uint256, data: Bytes[64]) -> bytes4:
    return 0xf23a6e61


@external
def onERC1155BatchReceived(
    operator: address, sender: address, ids: DynArray[uint256, 64], amounts: DynArray[uint256, 64], data: Bytes[64]
) -> bytes4:
    return 0xbc197c81


@external
def settle(condition: bytes32, minted: uint256, merged: uint256, taken: DynArray[Leg, 128], given: DynArray[Leg, 128]):
    assert msg.sender == OPERATOR, "only the operator"
    for leg: Leg in taken:
        if leg.token == 0:
            extcall Dollar(PUSD).transferFrom(leg.wallet, self, leg.amount)
        else:
            extcall Tokens(TOKENS).safeTransferFrom(leg.wallet, self, leg.token, leg.amount, b"")
    if minted > 0:
        extcall Dollar(PUSD).approve(ADAPTER, minted)
        extcall Adapter(ADAPTER).splitPosition(PUSD, empty(bytes32), condition, [1, 2], minted)
    if merged > 0:
        extcall Tokens(TOKENS).setApprovalForAll(ADAPTER, True)
        extcall Adapter(ADAPTER).mergePositions(PUSD, empty(bytes32), condition, [1, 2], merged)
    for leg: Leg in given:
        if leg.token == 0:
            extcall Dollar(PUSD).transfer(leg.wallet, leg.amount)
        else:
            extcall Tokens(TOKENS).safeTransferFrom(self, leg.wallet, leg.token, leg.amount, b"")
    log Settled(condition=condition, minted=minted, merged=merged)
