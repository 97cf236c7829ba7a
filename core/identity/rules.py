"""Pure decisions of identity: telephone numbers, passwords, lock-out, the role after login."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.identity.roles import STAFF_ROLES, Role

#: From this length on a password is a phrase, and its kinds of characters matter no longer.
PASSPHRASE = 16
_PHONE = re.compile(r"1[3-9]\d{9}")

#: Passwords that everybody tries first, compared without case.
_COMMON = frozenset(
    {
        "password1",
        "passw0rd",
        "abc12345",
        "a1234567",
        "a12345678",
        "123456789a",
        "1234567890",
        "qwer1234",
        "qwerty123",
        "1qaz2wsx",
        "admin123",
        "admin1234",
        "abcd1234",
        "zhenjian1",
        "hospital1",
        "woaini520",
        "woaini1314",
    }
)


def normal_phone(text: str) -> str | None:
    """A mainland mobile number as eleven digits, or None when it is none."""
    digits = re.sub(r"[\s-]", "", text)
    digits = re.sub(r"^(\+?86)(?=1\d{10}$)", "", digits)
    return digits if digits.isascii() and _PHONE.fullmatch(digits) else None


def password_problem(password: str, *, staff: bool, personal: Sequence[str] = ()) -> str | None:
    """A Chinese sentence about what is wrong with a new password, or None.

    At least 8 characters of two kinds, for staff 10 of three kinds, or a passphrase of 16 and more;
    nothing that everybody tries and nothing that contains the account's own number or name
    (`personal`).
    """
    shortest, kinds_needed = (10, 3) if staff else (8, 2)
    if not shortest <= len(password) <= 128:
        return f"密码长度应为 {shortest} 到 128 位"
    kinds = sum(
        bool(re.search(pattern, password))
        for pattern in (r"[a-z]", r"[A-Z]", r"\d", r"[^A-Za-z\d]")
    )
    passphrase = len(password) >= PASSPHRASE and len(set(password)) >= PASSPHRASE // 2
    if kinds < kinds_needed and not passphrase:
        return (
            f"密码应包含大写字母、小写字母、数字、符号中的至少 {kinds_needed} 类，"
            f"或使用 {PASSPHRASE} 位以上的长密码"
        )
    lowered = password.lower()
    if lowered in _COMMON or len(set(lowered)) < 4:
        return "密码过于常见，请换一个"
    if any(len(each) >= 4 and each.lower() in lowered for each in personal):
        return "密码不能包含账号、手机号或姓名"
    return None


@dataclass(frozen=True, slots=True)
class Lockout:
    """After how many failures the delay begins, how long it is at first and at most."""

    free_failures: int = 5
    first_delay: timedelta = timedelta(minutes=1)
    longest_delay: timedelta = timedelta(minutes=30)
    forget_after: timedelta = timedelta(hours=24)

    def delay(self, failures: int) -> timedelta:
        """How long nothing is heard after this many failures in a row: 0, then 1, 2, 4 ... min."""
        if failures < self.free_failures:
            return timedelta(0)
        doublings = min(failures - self.free_failures, 20)
        delay: timedelta = self.first_delay * int(2**doublings)
        return min(delay, self.longest_delay)


def remaining_seconds(until: datetime | None, now: datetime) -> int:
    """Whole seconds, rounded up, until a moment; 0 when it is past or None."""
    if until is None or until <= now:
        return 0
    return -int((now - until) // timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Duty:
    """One role that a user may take at one hospital, with the departments that go with it."""

    hospital_id: UUID
    role: Role
    department_ids: frozenset[UUID]


#: Which duty is taken when a login does not ask for one.
_STAFF_ORDER = (
    Role.DOCTOR,
    Role.PHARMACIST,
    Role.NURSE,
    Role.ADMINISTRATOR,
    Role.SUPERVISOR,
    Role.OPERATOR,
    Role.CUSTOMER_SERVICE,
    Role.PATIENT,
)


def choose_duty(
    duties: Sequence[Duty], wanted: Role | None, hospital_id: UUID | None, platform: str
) -> Duty | None:
    """The duty that a login takes: the wanted role, else by platform; None when it is not held.

    On the PC console staff roles come first, on a phone app the patient's own; a named hospital
    narrows the choice.
    """
    held = [duty for duty in duties if hospital_id in (None, duty.hospital_id)]
    if wanted is not None:
        return next((duty for duty in held if duty.role is wanted), None)
    order = list(_STAFF_ORDER)
    if platform != "pc":
        order.sort(key=lambda role: role in STAFF_ROLES)
    return min(held, key=lambda duty: order.index(duty.role), default=None)
