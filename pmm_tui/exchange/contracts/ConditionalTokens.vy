# pragma version 0.4.3
# pragma evm-version cancun
# @title Outcome tokens of binary conditions, ERC-1155. Token ids are registered, since a market's ids are given and not derived here.

interface Dollar:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

interface Receiver:
    def onERC1155Received(operator: address, sender: address, id: uint256, amount: uint256, data: Bytes[64]) -> bytes4: nonpayable
    def onERC1155BatchReceived(
        operator: address, sender: address, ids: DynArray[uint256, 64], amounts: DynArray[uint256, 64], data: Bytes[64]
    ) -> bytes4: nonpayable

event TransferSingle:
    operator: indexed(address)
    sender: indexed(address)
    receiver: indexed(address)
    id: uint256
    amount: uint256

event ApprovalForAll:
    owner: indexed(address)
    operator: indexed(address)
    approved: bool

event PositionSplit:
    stakeholder: indexed(address)
    condition: indexed(bytes32)
    amount: uint256

event PositionsMerge:
    stakeholder: indexed(address)
    condition: indexed(bytes32)
    amount: uint256

event PayoutRedemption:
    redeemer: indexed(address)
    condition: indexed(bytes32)
    payout: uint256

COLLATERAL: immutable(address)
OPERATOR: immutable(address)
balanceOf: public(HashMap[address, HashMap[uint256, uint256]])
isApprovedForAll: public(HashMap[address, HashMap[address, bool]])
positions: public(HashMap[bytes32, uint256[2]])
payoutNumerators: public(HashMap[bytes32, HashMap[uint256, uint256]])
payoutDenominator: public(HashMap[bytes32, uint256])


@deploy
def __init__(collateral: address, operator: address):
    COLLATERAL = collateral
    OPERATOR = operator


@external
@view
def supportsInterface(interface_id: bytes4) -> bool:
    return interface_id in [0x01ffc9a7, 0xd9b67a26]


@external
@view
def balanceOfBatch(owners: DynArray[address, 512], ids: DynArray[uint256, 512]) -> DynArray[uint256, 512]:
    assert len(owners) == len(ids), "ERC1155: owners and ids must have same lengths"
    held: DynArray[uint256, 512] = []
    for i: uint256 in range(len(ids), bound=512):
        held.append(self.balanceOf[owners[i]][ids[i]])
    return held


@external
def setApprovalForAll(operator: address, approved: bool):
    self.isApprovedForAll[msg.sender][operator] = approved
    log ApprovalForAll(owner=msg.sender, operator=operator, approved=approved)


@internal
def _mint(receiver: address, id: uint256, amount: uint256):
    self.balanceOf[receiver][id] += amount
    log TransferSingle(operator=msg.sender, sender=empty(address), receiver=receiver, id=id, amount=amount)


@internal
def _burn(sender: address, id: uint256, amount: uint256):
    assert self.balanceOf[sender][id] >= amount, "ERC1155: insufficient balance for transfer"
    self.balanceOf[sender][id] -= amount
    log TransferSingle(operator=msg.sender, sender=sender, receiver=empty(address), id=id, amount=amount)


@internal
def _move(sender: address, receiver: address, id: uint256, amount: uint256):
    assert sender == msg.sender or self.isApprovedForAll[sender][msg.sender], "ERC1155: need operator approval for 3rd party transfers."
    assert self.balanceOf[sender][id] >= amount, "ERC1155: insufficient balance for transfer"
    self.balanceOf[sender][id] -= amount
    self.balanceOf[receiver][id] += amount
    log TransferSingle(operator=msg.sender, sender=sender, receiver=receiver, id=id, amount=amount)


@external
def safeTransferFrom(sender: address, receiver: address, id: uint256, amount: uint256, data: Bytes[64]):
    self._move(sender, receiver, id, amount)
    if receiver.is_contract:
        answer: bytes4 = extcall Receiver(receiver).onERC1155Received(msg.sender, sender, id, amount, data)
        assert answer == 0xf23a6e61, "ERC1155: got unknown value from onERC1155Received"


@external
def safeBatchTransferFrom(
    sender: address, receiver: address, ids: DynArray[uint256, 64], amounts: DynArray[uint256, 64], data: Bytes[64]
):
    assert len(ids) == len(amounts), "ERC1155: IDs and values must have same lengths"
    for i: uint256 in range(len(ids), bound=64):
        self._move(sender, receiver, ids[i], amounts[i])
    if receiver.is_contract:
        answer: bytes4 = extcall Receiver(receiver).onERC1155BatchReceived(msg.sender, sender, ids, amounts, data)
        assert answer == 0xbc197c81, "ERC1155: got unknown value from onERC1155BatchReceived"


@external
def register(condition: bytes32, yes: uint256, no: uint256):
    assert msg.sender == OPERATOR, "only the operator"
    assert self.positions[condition][0] == 0, "condition already prepared"
    self.positions[condition] = [yes, no]


@external
def resolve(condition: bytes32, yes: uint256, no: uint256):
    assert msg.sender == OPERATOR, "only the operator"
    assert self.payoutDenominator[condition] == 0, "payout denominator already set"
    assert yes + no > 0, "payout is all zeroes"
    self.payoutNumerators[condition][0] = yes
    self.payoutNumerators[condition][1] = no
    self.payoutDenominator[condition] = yes + no


@internal
@view
def _ids(collateral: address, parent: bytes32, condition: bytes32) -> uint256[2]:
    assert collateral == COLLATERAL and parent == empty(bytes32), "collateral or collection not supported"
    ids: uint256[2] = self.positions[condition]
    assert ids[0] != 0, "condition not prepared yet"
    return ids


@external
def splitPosition(collateral: address, parent: bytes32, condition: bytes32, partition: DynArray[uint256, 2], amount: uint256):
    ids: uint256[2] = self._ids(collateral, parent, condition)
    assert len(partition) == 2 and partition[0] == 1 and partition[1] == 2, "got invalid index set"
    assert extcall Dollar(collateral).transferFrom(msg.sender, self, amount), "could not receive collateral tokens"
    self._mint(msg.sender, ids[0], amount)
    self._mint(msg.sender, ids[1], amount)
    log PositionSplit(stakeholder=msg.sender, condition=condition, amount=amount)


@external
def mergePositions(collateral: address, parent: bytes32, condition: bytes32, partition: DynArray[uint256, 2], amount: uint256):
    ids: uint256[2] = self._ids(collateral, parent, condition)
    assert len(partition) == 2 and partition[0] == 1 and partition[1] == 2, "got invalid index set"
    self._burn(msg.sender, ids[0], amount)
    self._burn(msg.sender, ids[1], amount)
    assert extcall Dollar(collateral).transfer(msg.sender, amount), "could not send collateral tokens"
    log PositionsMerge(stakeholder=msg.sender, condition=condition, amount=amount)


@external
def redeemPositions(collateral: address, parent: bytes32, condition: bytes32, sets: DynArray[uint256, 2]):
    ids: uint256[2] = self._ids(collateral, parent, condition)
    whole: uint256 = self.payoutDenominator[condition]
    assert whole > 0, "result for condition not received yet"
    payout: uint256 = 0
    for index_set: uint256 in sets:
        assert index_set == 1 or index_set == 2, "got invalid index set"
        held: uint256 = self.balanceOf[msg.sender][ids[index_set - 1]]
        if held > 0:
            payout += held * self.payoutNumerators[condition][index_set - 1] // whole
            self._burn(msg.sender, ids[index_set - 1], held)
    if payout > 0:
        assert extcall Dollar(collateral).transfer(msg.sender, payout), "could not transfer payout to message sender"
    log PayoutRedemption(redeemer=msg.sender, condition=condition, payout=payout)
