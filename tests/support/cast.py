"""The fixed cast of the tests: invented people of two hospitals, logged in on one device each.

仁和 is where the stories play; 安康 is the other hospital, which must never see anything of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from clinical.people.models import Clinician, ClinicianService
from core.identity import tokens
from core.identity.access import phone_key
from core.identity.caller import Caller
from core.identity.models import Department, DeviceSession, Hospital, RoleAssignment, User
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime
from core.uow import UnitOfWork


@dataclass(frozen=True)
class Person:
    """Somebody of the cast in one role, with a token that works."""

    caller: Caller
    token: str
    phone: str
    clinician_id: UUID | None = None

    @property
    def user_id(self) -> UUID:
        return self.caller.user_id

    @property
    def name(self) -> str:
        return self.caller.name


@dataclass(frozen=True)
class Cast:
    """Everybody, by what they are in the stories."""

    hospital_id: UUID
    other_hospital_id: UUID
    department_id: UUID
    other_department_id: UUID
    patient: Person
    other_patient: Person
    doctor: Person
    other_doctor: Person
    nurse: Person
    pharmacist: Person
    administrator: Person
    supervisor: Person
    operator: Person
    customer_service: Person
    foreign_patient: Person
    foreign_doctor: Person
    foreign_administrator: Person
    foreign_supervisor: Person

    def of(self, role: Role) -> Person:
        """The person of 仁和 who has this role."""
        person: Person = getattr(self, role.value)
        return person

    @property
    def everybody(self) -> dict[Role, Person]:
        return {role: self.of(role) for role in Role}


async def hire_cast(runtime: Runtime) -> Cast:
    """Found two hospitals and let everybody log in."""
    async with runtime.unit_of_work() as uow:
        return await _Casting(runtime, uow).hire()


async def hire(
    runtime: Runtime,
    hospital_id: UUID,
    role: Role,
    name: str,
    department_id: UUID | None = None,
    *,
    serial: int = 0,
) -> Person:
    """One more person beside the cast, logged in; `serial` tells several apart."""
    async with runtime.unit_of_work() as uow:
        casting = _Casting(runtime, uow, first=1000 + serial)
        if role is Role.DOCTOR and department_id is not None:
            return await casting.doctor(hospital_id, department_id, name, "主治医师")
        return await casting.person(hospital_id, role, name, department_id)


class _Casting:
    def __init__(self, runtime: Runtime, uow: UnitOfWork, first: int = 0) -> None:
        self._runtime = runtime
        self._uow = uow
        self._serial = first

    async def hire(self) -> Cast:
        renhe, ankang = (
            self._hospital("renhe", "仁和示范医院"),
            self._hospital("ankang", "安康医院"),
        )
        await self._uow.session.flush()
        inner, heart = self._department(renhe, "内科"), self._department(ankang, "内科")
        other = self._department(renhe, "儿科")
        await self._uow.session.flush()
        cast = Cast(
            hospital_id=renhe,
            other_hospital_id=ankang,
            department_id=inner,
            other_department_id=other,
            patient=await self.person(renhe, Role.PATIENT, "林小满"),
            other_patient=await self.person(renhe, Role.PATIENT, "周未来"),
            doctor=await self.doctor(renhe, inner, "陈安和", "主任医师"),
            other_doctor=await self.doctor(renhe, other, "沈若水", "主治医师"),
            nurse=await self.person(renhe, Role.NURSE, "何清", inner),
            pharmacist=await self.person(renhe, Role.PHARMACIST, "方知白", inner),
            administrator=await self.person(renhe, Role.ADMINISTRATOR, "管一成"),
            supervisor=await self.person(renhe, Role.SUPERVISOR, "督明远"),
            operator=await self.person(renhe, Role.OPERATOR, "运长青"),
            customer_service=await self.person(renhe, Role.CUSTOMER_SERVICE, "客小暖"),
            foreign_patient=await self.person(ankang, Role.PATIENT, "外甲"),
            foreign_doctor=await self.doctor(ankang, heart, "外乙", "主任医师"),
            foreign_administrator=await self.person(ankang, Role.ADMINISTRATOR, "外丙"),
            foreign_supervisor=await self.person(ankang, Role.SUPERVISOR, "外丁"),
        )
        await self._uow.session.flush()
        return cast

    def _hospital(self, code: str, name: str) -> UUID:
        hospital = Hospital(id=new_id(), code=code, name=name, created_at=self._uow.now)
        hospital.position = 0 if code == "renhe" else 1
        self._uow.session.add(hospital)
        return hospital.id

    def _department(self, hospital_id: UUID, name: str) -> UUID:
        department = Department(
            id=new_id(),
            hospital_id=hospital_id,
            code=new_id().hex[-8:],
            name=name,
            created_at=self._uow.now,
        )
        self._uow.session.add(department)
        return department.id

    async def person(
        self, hospital_id: UUID, role: Role, name: str, department_id: UUID | None = None
    ) -> Person:
        self._serial += 1
        phone = f"1390000{self._serial:04d}"
        now, session = self._uow.now, self._uow.session
        user = User(id=new_id(), name=name, phone=phone, created_at=now, login=None)
        user.phone_index = phone_key(self._runtime.keyring, phone)
        session.add(user)
        await session.flush()
        login = _device_session(user.id, hospital_id, now)
        if role is not Role.PATIENT:
            # Staff of the stories have shown a second factor when they logged in.
            login.second_factor_at, login.second_factor_method = now, "totp"
        session.add_all(
            [
                RoleAssignment(
                    user_id=user.id,
                    hospital_id=hospital_id,
                    role=role,
                    department_id=department_id,
                    created_at=now,
                ),
                login,
            ]
        )
        caller = Caller(
            user_id=user.id,
            hospital_id=hospital_id,
            role=role,
            session_id=login.id,
            device_id=login.device_id,
            department_ids=frozenset({department_id} if department_id else ()),
            name=name,
            second_factor_at=login.second_factor_at,
        )
        return Person(caller, tokens.issue_access_token(caller, now, self._runtime.keyring), phone)

    async def doctor(self, hospital_id: UUID, department_id: UUID, name: str, title: str) -> Person:
        person = await self.person(hospital_id, Role.DOCTOR, name, department_id)
        clinician = Clinician(
            id=new_id(),
            hospital_id=hospital_id,
            user_id=person.user_id,
            department_id=department_id,
            name=name,
            name_pinyin="",
            name_initials="",
            title=title,
            title_rank=1,
            licence_number="110000000000001",
            licence_valid_until=date(2030, 1, 1),
            practice_start=date(2010, 1, 1),
            identity_verified_at=self._uow.now - timedelta(days=1),
            created_at=self._uow.now,
        )
        self._uow.session.add(clinician)
        await self._uow.session.flush()
        for mode, price in (("text", 3000), ("video", 6000)):
            self._uow.session.add(
                ClinicianService(
                    clinician_id=clinician.id,
                    kind="revisit",
                    mode=mode,
                    hospital_id=hospital_id,
                    price_fen=price,
                )
            )
        return replace(person, clinician_id=clinician.id)


def _device_session(user_id: UUID, hospital_id: UUID, now: datetime) -> DeviceSession:
    return DeviceSession(
        id=new_id(),
        user_id=user_id,
        hospital_id=hospital_id,
        device_id=f"device-{user_id.hex[-6:]}",
        device_name="测试设备",
        platform="h5",
        created_at=now,
        last_seen_at=now,
    )
