"""The eight roles of the house."""

from enum import StrEnum


class Role(StrEnum):
    """What somebody is allowed to be in one session; an access token carries exactly one."""

    PATIENT = "patient"
    DOCTOR = "doctor"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    ADMINISTRATOR = "administrator"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"
    CUSTOMER_SERVICE = "customer_service"

    @property
    def label(self) -> str:
        """The Chinese label for screens."""
        return _TITLES[self]


_TITLES: dict[Role, str] = {
    Role.PATIENT: "患者",
    Role.DOCTOR: "医生",
    Role.NURSE: "护士",
    Role.PHARMACIST: "药师",
    Role.ADMINISTRATOR: "管理员",
    Role.SUPERVISOR: "监督员",
    Role.OPERATOR: "运营人员",
    Role.CUSTOMER_SERVICE: "客服",
}

#: Everybody who works for a hospital; they never register themselves.
STAFF_ROLES: frozenset[Role] = frozenset(Role) - {Role.PATIENT}

#: Those who treat, nurse or dispense.
CLINICAL_ROLES: frozenset[Role] = frozenset({Role.DOCTOR, Role.NURSE, Role.PHARMACIST})
