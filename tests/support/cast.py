"""The fixed cast of the tests: invented people of two hospitals, logged in on one device each.

仁和 is where the stories play; 安康 is the other hospital, which must never see anything of it.
"""

from __future__ import annotations

from dataclasses import dataclass
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
        casting = _Casting(runtime, uow)
        renhe = casting.hospital("renhe", "仁和示范医院")
        ankang = casting.hospital("ankang", "安康医院")
        await uow.session.flush()
        inner, other = casting.department(renhe, "内科"), casting.department(renhe, "儿科")
        heart = casting.department(ankang, "内科")
        await uow.session.flush()
        people = await casting.people(
            {
                "patient": _Part(renhe, Role.PATIENT, "林小满"),
                "other_patient": _Part(renhe, Role.PATIENT, "周未来"),
                "doctor": _Part(renhe, Role.DOCTOR, "陈安和", inner, "主任医师"),
                "other_doctor": _Part(renhe, Role.DOCTOR, "沈若水", other, "主治医师"),
                "nurse": _Part(renhe, Role.NURSE, "何清", inner),
                "pharmacist": _Part(renhe, Role.PHARMACIST, "方知白", inner),
                "administrator": _Part(renhe, Role.ADMINISTRATOR, "管一成"),
                "supervisor": _Part(renhe, Role.SUPERVISOR, "督明远"),
                "operator": _Part(renhe, Role.OPERATOR, "运长青"),
                "customer_service": _Part(renhe, Role.CUSTOMER_SERVICE, "客小暖"),
                "foreign_patient": _Part(ankang, Role.PATIENT, "外甲"),
                "foreign_doctor": _Part(ankang, Role.DOCTOR, "外乙", heart, "主任医师"),
                "foreign_administrator": _Part(ankang, Role.ADMINISTRATOR, "外丙"),
                "foreign_supervisor": _Part(ankang, Role.SUPERVISOR, "外丁"),
            }
        )
        return Cast(renhe, ankang, inner, other, **people)


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
        doctor = role is Role.DOCTOR and department_id is not None
        part = _Part(hospital_id, role, name, department_id, "主治医师" if doctor else None)
        people = await _Casting(runtime, uow, first=1000 + serial).people({"one": part})
        return people["one"]


@dataclass(frozen=True)
class _Part:
    """Who is wanted; with a title somebody whom patients find and ask."""

    hospital_id: UUID
    role: Role
    name: str
    department_id: UUID | None = None
    title: str | None = None


class _Casting:
    def __init__(self, runtime: Runtime, uow: UnitOfWork, first: int = 0) -> None:
        self._runtime = runtime
        self._uow = uow
        self._serial = first

    def hospital(self, code: str, name: str) -> UUID:
        hospital = Hospital(id=new_id(), code=code, name=name, created_at=self._uow.now)
        hospital.position = 0 if code == "renhe" else 1
        self._uow.session.add(hospital)
        return hospital.id

    def department(self, hospital_id: UUID, name: str) -> UUID:
        department = Department(
            id=new_id(),
            hospital_id=hospital_id,
            code=new_id().hex[-8:],
            name=name,
            created_at=self._uow.now,
        )
        self._uow.session.add(department)
        return department.id

    async def people(self, parts: dict[str, _Part]) -> dict[str, Person]:
        """Everybody at once: a flush for each of them would be most of what a test costs."""
        users = {key: self._user(part) for key, part in parts.items()}
        await self._uow.session.flush()
        people = {key: self._employ(users[key], part) for key, part in parts.items()}
        await self._uow.session.flush()
        for key, person in people.items():
            self._offer(person, parts[key].hospital_id)
        await self._uow.session.flush()
        return people

    def _user(self, part: _Part) -> User:
        self._serial += 1
        phone = f"1390000{self._serial:04d}"
        user = User(id=new_id(), name=part.name, phone=phone, created_at=self._uow.now, login=None)
        user.phone_index = phone_key(self._runtime.keyring, phone)
        self._uow.session.add(user)
        return user

    def _employ(self, user: User, part: _Part) -> Person:
        now = self._uow.now
        login = _device_session(user.id, part.hospital_id, now)
        if part.role is not Role.PATIENT:
            # Staff of the stories have shown a second factor when they logged in.
            login.second_factor_at, login.second_factor_method = now, "totp"
        assignment = RoleAssignment(
            user_id=user.id,
            hospital_id=part.hospital_id,
            role=part.role,
            department_id=part.department_id,
            created_at=now,
        )
        self._uow.session.add_all([assignment, login])
        caller = Caller(
            user_id=user.id,
            hospital_id=part.hospital_id,
            role=part.role,
            session_id=login.id,
            device_id=login.device_id,
            department_ids=frozenset({part.department_id} if part.department_id else ()),
            name=part.name,
            second_factor_at=login.second_factor_at,
        )
        token = tokens.issue_access_token(caller, now, self._runtime.keyring)
        assert user.phone is not None
        return Person(caller, token, user.phone, self._clinician(user.id, part))

    def _clinician(self, user_id: UUID, part: _Part) -> UUID | None:
        if part.title is None:
            return None
        assert part.department_id is not None
        clinician = Clinician(
            id=new_id(),
            hospital_id=part.hospital_id,
            user_id=user_id,
            department_id=part.department_id,
            name=part.name,
            name_pinyin="",
            name_initials="",
            title=part.title,
            title_rank=1,
            licence_number="110000000000001",
            licence_valid_until=date(2030, 1, 1),
            practice_start=date(2010, 1, 1),
            identity_verified_at=self._uow.now - timedelta(days=1),
            created_at=self._uow.now,
        )
        self._uow.session.add(clinician)
        return clinician.id

    def _offer(self, person: Person, hospital_id: UUID) -> None:
        if person.clinician_id is None:
            return
        for mode, price in (("text", 3000), ("video", 6000)):
            self._uow.session.add(
                ClinicianService(
                    clinician_id=person.clinician_id,
                    kind="revisit",
                    mode=mode,
                    hospital_id=hospital_id,
                    price_fen=price,
                )
            )


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
