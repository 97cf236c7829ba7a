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


class MedicationField(StrEnum):
    """A field of medicines that a pharmacist advises on (用药分类)."""

    HEART = "heart"
    ENDOCRINE = "endocrine"
    RESPIRATORY = "respiratory"
    DIGESTIVE = "digestive"
    INFECTION = "infection"
    CHILD = "child"
    MATERNAL = "maternal"
    ELDERLY = "elderly"
    CHINESE = "chinese"
    SKIN = "skin"


MEDICATION_FIELD_TEXT: dict[MedicationField, str] = {
    MedicationField.HEART: "心脑血管用药",
    MedicationField.ENDOCRINE: "糖尿病与内分泌用药",
    MedicationField.RESPIRATORY: "呼吸与过敏用药",
    MedicationField.DIGESTIVE: "消化系统用药",
    MedicationField.INFECTION: "抗感染用药",
    MedicationField.CHILD: "儿童用药",
    MedicationField.MATERNAL: "孕产与哺乳期用药",
    MedicationField.ELDERLY: "老年与多重用药",
    MedicationField.CHINESE: "中药与中成药",
    MedicationField.SKIN: "皮肤与外用药",
}


class Relation(StrEnum):
    """What the patient is to the account holder."""

    SELF = "self"
    CHILD = "child"
    SPOUSE = "spouse"
    PARENT = "parent"
    OTHER = "other"
