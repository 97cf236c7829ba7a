"""The words of the schedule: states of shifts and bookings, what happens in a queue."""

from enum import StrEnum


class ShiftState(StrEnum):
    """Whether a shift takes bookings."""

    OPEN = "open"
    DISABLED = "disabled"
    SUSPENDED = "suspended"


class BookingState(StrEnum):
    """Where a booking stands in the queue of its shift."""

    #: The place is kept until the time to pay is over.
    HELD = "held"
    QUEUED = "queued"
    CALLED = "called"
    PASSED = "passed"
    SERVING = "serving"
    DONE = "done"
    RELEASED = "released"


class Announcement(StrEnum):
    """One line of the calling log."""

    CALLED = "called"
    CALLED_AGAIN = "called_again"
    PASSED = "passed"
    RETURNED = "returned"


SHIFT_TEXT: dict[ShiftState, str] = {
    ShiftState.OPEN: "启用",
    ShiftState.DISABLED: "停用",
    ShiftState.SUSPENDED: "停诊",
}
BOOKING_TEXT: dict[BookingState, str] = {
    BookingState.HELD: "待支付",
    BookingState.QUEUED: "候诊",
    BookingState.CALLED: "已叫号",
    BookingState.PASSED: "过号",
    BookingState.SERVING: "就诊中",
    BookingState.DONE: "已就诊",
    BookingState.RELEASED: "已退号",
}
ANNOUNCEMENT_TEXT: dict[Announcement, str] = {
    Announcement.CALLED: "叫号",
    Announcement.CALLED_AGAIN: "重新叫号",
    Announcement.PASSED: "过号",
    Announcement.RETURNED: "恢复排队",
}
#: Still before the doctor, in their order.
AHEAD = frozenset({BookingState.QUEUED, BookingState.CALLED})
#: Hold a number of the shift.
TAKING = frozenset(BookingState) - {BookingState.RELEASED}
