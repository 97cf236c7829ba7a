"""What people hold about a person: the patients bound to the account, favourites."""

from datetime import date

from sqlalchemy import delete, exists, func, select

from clinical.people.models import FavouriteDoctor, Patient, PatientRelation
from clinical.people.states import IdType
from core.crypto.blind_index import BLIND_INDEX_BYTES
from core.personal_data import (
    Erased,
    Holding,
    RecordClass,
    Section,
    Subject,
    keep_until,
    register,
)
from core.uow import UnitOfWork

ERASED_NAME = "已删除"
ERASED_BIRTH = date(1900, 1, 1)
_RELATION = {
    "self": "本人",
    "child": "子女",
    "spouse": "配偶",
    "parent": "父母",
    "other": "其他",
}


class PeopleData:
    """Patients as this account has bound them."""

    name = "people"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """The bound patients and the favourites."""
        favourites = await uow.session.scalar(
            select(func.count()).where(
                FavouriteDoctor.user_id == subject.user_id,
                FavouriteDoctor.hospital_id == subject.hospital_id,
            )
        )
        kept = len(subject.patient_ids & subject.kept_patients)
        return [
            Holding(
                title="就诊人资料（有病历）",
                record_class=RecordClass.MEDICAL,
                count=kept,
                note="姓名、证件号码、监护人，随病历保存",
            ),
            Holding(
                title="就诊人资料",
                record_class=RecordClass.ACCOUNT,
                count=len(subject.patient_ids) - kept,
                note="姓名、证件号码、联系方式、监护人",
            ),
            Holding(title="关注的医生", record_class=RecordClass.FREE, count=favourites or 0),
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Each bound patient in full, with the contact that this account gave."""
        rows = await uow.session.execute(
            select(PatientRelation, Patient)
            .join(Patient, Patient.id == PatientRelation.patient_id)
            .where(
                PatientRelation.hospital_id == subject.hospital_id,
                PatientRelation.user_id == subject.user_id,
                PatientRelation.patient_id.in_(subject.patient_ids),
            )
            .order_by(PatientRelation.created_at)
        )
        return [
            Section(
                title="就诊人资料",
                fields=(
                    ("name", "姓名"),
                    ("relation", "与本人关系"),
                    ("sex", "性别"),
                    ("birth_date", "出生日期"),
                    ("id_number", "证件号码"),
                    ("card_number", "就诊卡号"),
                    ("phone", "联系电话"),
                    ("address", "地址"),
                    ("guardian_name", "监护人"),
                    ("created_at", "添加时间"),
                ),
                records=[
                    {
                        "name": patient.name,
                        "relation": _RELATION[relation.relation.value],
                        "sex": "男" if patient.sex.value == "male" else "女",
                        "birth_date": patient.birth_date,
                        "id_number": patient.id_number,
                        "card_number": patient.card_number,
                        "phone": relation.phone,
                        "address": relation.address,
                        "guardian_name": relation.guardian_name,
                        "created_at": relation.created_at,
                    }
                    for relation, patient in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Favourites go; with the account go bindings, and patients who have no records."""
        if not subject.closing or subject.held:
            return []
        gone = await uow.session.execute(
            delete(FavouriteDoctor)
            .where(FavouriteDoctor.user_id == subject.user_id)
            .returning(FavouriteDoctor.clinician_id)
        )
        found = [Erased(title="关注的医生", erased=len(gone.all()))]
        rows = await uow.session.scalars(
            select(PatientRelation)
            .where(PatientRelation.user_id == subject.user_id)
            .order_by(PatientRelation.id)
            .with_for_update()
        )
        erased = kept = 0
        for relation in rows:
            relation.is_default = False
            relation.unbound_at = relation.unbound_at or uow.now
            if relation.patient_id in subject.held_patients:
                kept += 1
            elif relation.patient_id in subject.kept_patients:
                kept += 1
                relation.phone = relation.address = None
            else:
                await self._blank(uow, relation)
                erased += 1
        await uow.session.flush()
        until = keep_until(RecordClass.MEDICAL, subject.today)
        return [
            *found,
            Erased(
                title="就诊人资料",
                erased=erased,
                kept=kept,
                until=until if kept else None,
                why="随病历保存或法律保全" if kept else "",
            ),
        ]

    async def _blank(self, uow: UnitOfWork, relation: PatientRelation) -> None:
        """Nothing treats this person: what named him goes, unless another account binds him."""
        relation.phone = relation.address = None
        relation.guardian_name = relation.guardian_id_number = None
        relation.guardian_phone = relation.guardian_address = None
        relation.guardian_verified_at = relation.guardian_verified_reference = None
        others = await uow.session.scalar(
            select(
                exists().where(
                    PatientRelation.patient_id == relation.patient_id,
                    PatientRelation.user_id != relation.user_id,
                    PatientRelation.unbound_at.is_(None),
                )
            )
        )
        if others:
            return
        patient = await uow.session.get_one(Patient, relation.patient_id, with_for_update=True)
        patient.name, patient.name_index = ERASED_NAME, bytes(BLIND_INDEX_BYTES)
        patient.birth_date, patient.id_type = ERASED_BIRTH, IdType.NONE
        patient.id_number = patient.id_number_index = patient.card_number = None
        patient.verified_at = patient.verified_reference = None


register(PeopleData())
