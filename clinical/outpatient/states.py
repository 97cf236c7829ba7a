"""The words of the convenience clinic, and what they are called."""

from enum import StrEnum


class ItemKind(StrEnum):
    """What can be ordered."""

    DRUG = "drug"
    EXAMINATION = "examination"
    LABORATORY = "laboratory"
    NUCLEIC_ACID = "nucleic_acid"


ITEM_TEXT: dict[ItemKind, str] = {
    ItemKind.DRUG: "药品",
    ItemKind.EXAMINATION: "检查",
    ItemKind.LABORATORY: "检验",
    ItemKind.NUCLEIC_ACID: "核酸检测",
}


class Desk(StrEnum):
    """Who reviews: pharmacists drugs, doctors everything else."""

    PHARMACY = "pharmacy"
    CLINIC = "clinic"


DESK_TEXT: dict[Desk, str] = {Desk.PHARMACY: "药品", Desk.CLINIC: "检查检验"}


def desk_of(kind: ItemKind) -> Desk:
    """Where an item is reviewed."""
    return Desk.PHARMACY if kind is ItemKind.DRUG else Desk.CLINIC


class State(StrEnum):
    """Where an order of a patient stands."""

    SUBMITTED = "submitted"
    AWAITING_PAYMENT = "awaiting_payment"
    PAID = "paid"
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"


OVER = frozenset({State.DONE, State.REFUSED, State.CANCELLED})
_STATE_TEXT: dict[State, str] = {
    State.SUBMITTED: "待审核",
    State.AWAITING_PAYMENT: "待支付",
    State.PAID: "待检查",
    State.DONE: "已完成",
    State.REFUSED: "审核未通过",
    State.CANCELLED: "已取消",
}


def state_text(state: State, desk: Desk) -> str:
    """What a state is called: a paid drug waits to be fetched, a paid test to be done."""
    if state is State.PAID and desk is Desk.PHARMACY:
        return "待取药"
    return _STATE_TEXT[state]


class CloseReason(StrEnum):
    """Why an order came to nothing."""

    REFUSED = "refused"
    CANCELLED_BY_PATIENT = "cancelled_by_patient"
    REVIEW_EXPIRED = "review_expired"
    PAYMENT_EXPIRED = "payment_expired"


CLOSE_TEXT: dict[CloseReason, str] = {
    CloseReason.REFUSED: "审核未通过",
    CloseReason.CANCELLED_BY_PATIENT: "您已取消订单",
    CloseReason.REVIEW_EXPIRED: "超过审核时限未审核，订单自动取消",
    CloseReason.PAYMENT_EXPIRED: "超过支付时限未支付，订单自动取消",
}


def close_text(reason: CloseReason, *, staff: bool) -> str:
    """Why an order came to nothing, as patients or staff read it."""
    if staff and reason is CloseReason.CANCELLED_BY_PATIENT:
        return "患者已取消订单"
    return CLOSE_TEXT[reason]
