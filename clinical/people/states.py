"""The words of people: forms, certificates, relations."""

from enum import StrEnum


class PatientKind(StrEnum):
    """Which form the patient was added with."""

    ADULT = "adult"
    CHILD = "child"


class IdType(StrEnum):
    """Certificates by which a patient can be added."""

    IDENTITY_CARD = "identity_card"
    PERMANENT_RESIDENCE = "permanent_residence"
    HK_MACAO_PERMIT = "hk_macao_permit"
    PASSPORT = "passport"
    NONE = "none"


class Relation(StrEnum):
    """What the patient is to the account holder."""

    SELF = "self"
    CHILD = "child"
    SPOUSE = "spouse"
    PARENT = "parent"
    OTHER = "other"
