"""Every hospital's rows are sealed with its own key, whichever way they are written."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import LargeBinary, insert, select, type_coerce, update
from sqlalchemy.exc import DBAPIError

from clinical.people.models import Clinician
from core.crypto.keys import Purpose
from core.crypto.scope import ForHospital, hospital_for, sealing_for
from core.crypto.sealing import sealed_with
from core.files.models import File
from core.files.models import Purpose as FilePurpose
from core.files.schemas import FileKind
from core.identity.models import User
from core.ids import new_id
from core.runtime import Runtime
from realtime import service
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.rules import MessageKind, RoomState
from realtime.schemas import TextBody
from realtime.sending import Send, send_messages
from realtime.service import NewMember
from tests.core.crypto.conftest import give_keys
from tests.support.cast import Cast, Person, hire_cast


@pytest.fixture
async def staff(keyed: Runtime) -> Cast:
    cast = await hire_cast(keyed)
    await give_keys(keyed, cast.hospital_id, cast.other_hospital_id)
    return cast


async def owners(runtime: Runtime, column: object, *where: object) -> list[UUID | None]:
    """The hospitals (None: the group) whose keys sealed these cells."""
    async with runtime.engine.connect() as connection:
        cells = await connection.scalars(select(type_coerce(column, LargeBinary)).where(*where))  # type: ignore[call-overload]
        return [
            runtime.keyring.find(Purpose.DATA, sealed_with(bytes(cell))).hospital_id
            for cell in cells
        ]


def upload(person: Person, name: str, runtime: Runtime) -> File:
    file_id = new_id()
    return File(
        id=file_id,
        hospital_id=person.caller.hospital_id,
        uploader_id=person.user_id,
        purpose=FilePurpose.MESSAGE,
        kind=FileKind.FILE,
        name=name,
        content_type="application/pdf",
        size=1,
        sha256="0",
        storage_key=f"files/{file_id}",
        created_at=runtime.clock.now(),
    )


async def open_room(runtime: Runtime, doctor: Person, patient: Person) -> UUID:
    async with runtime.unit_of_work() as uow:
        return await service.open_room(
            uow,
            hospital_id=doctor.caller.hospital_id,
            title="复诊",
            members=[NewMember(p.user_id, p.caller.role) for p in (doctor, patient)],
            state=RoomState.ACTIVE,
        )


@pytest.mark.requirement("S1-217")
async def test_a_row_is_sealed_with_the_key_of_its_hospital(keyed: Runtime, staff: Cast) -> None:
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(staff.doctor, "甲", keyed))
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(staff.foreign_doctor, "乙", keyed))
    for hospital in (staff.hospital_id, staff.other_hospital_id):
        assert await owners(keyed, File.name, File.hospital_id == hospital) == [hospital]


async def test_rows_of_two_hospitals_in_one_flush_take_the_groups_key(
    keyed: Runtime, staff: Cast
) -> None:
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(staff.doctor, "甲", keyed))
        uow.session.add(upload(staff.foreign_doctor, "乙", keyed))
        # Another table of the same flush has rows of one hospital only.
        clinician = await uow.session.get(Clinician, staff.doctor.clinician_id)
        assert clinician is not None
        clinician.licence_number = "110000000099999"
    assert await owners(keyed, File.name) == [None, None]
    assert await owners(
        keyed, Clinician.licence_number, Clinician.id == staff.doctor.clinician_id
    ) == [staff.hospital_id]


async def test_an_account_belongs_to_no_hospital(keyed: Runtime, staff: Cast) -> None:
    async with keyed.unit_of_work() as uow:
        user = await uow.session.get(User, staff.doctor.user_id)
        assert user is not None
        user.phone = "13900000009"
        uow.session.add(upload(staff.doctor, "甲", keyed))
    assert await owners(keyed, User.phone, User.id == staff.doctor.user_id) == [None]
    assert await owners(keyed, File.name) == [staff.hospital_id]


async def test_rows_that_hang_on_a_room_take_the_key_of_its_hospital(
    keyed: Runtime, staff: Cast
) -> None:
    room = await open_room(keyed, staff.doctor, staff.patient)
    assert await owners(keyed, RoomRow.title) == [staff.hospital_id]
    assert set(await owners(keyed, ParticipantRow.name, ParticipantRow.room_id == room)) == {
        staff.hospital_id
    }


async def test_a_batch_of_messages_seals_each_for_its_own_hospital(
    keyed: Runtime, staff: Cast
) -> None:
    rooms = {
        staff.hospital_id: await open_room(keyed, staff.doctor, staff.patient),
        staff.other_hospital_id: await open_room(
            keyed, staff.foreign_doctor, staff.foreign_patient
        ),
    }
    sends = [
        Send(
            who.caller,
            rooms[who.caller.hospital_id],
            new_id(),
            MessageKind.TEXT,
            TextBody(text="x"),
        )
        for who in (staff.doctor, staff.foreign_doctor, staff.patient, staff.foreign_patient)
    ]
    async with keyed.unit_of_work() as uow:
        await send_messages(uow, sends)
    for hospital, room in rooms.items():
        found = await owners(
            keyed, MessageRow.body, MessageRow.room_id == room, MessageRow.client_id.is_not(None)
        )
        assert found == [hospital, hospital]


async def test_a_flush_that_fails_leaves_no_scope_behind(keyed: Runtime, staff: Cast) -> None:
    broken = upload(staff.doctor, "甲", keyed)
    broken.uploader_id = new_id()
    async with keyed.unit_of_work() as uow:
        uow.session.add(broken)
        with pytest.raises(DBAPIError):
            await uow.session.flush()
        await uow.session.rollback()
    assert hospital_for("files") is None


async def test_statements_around_the_session_say_whose_key_they_mean(
    keyed: Runtime, staff: Cast
) -> None:
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(staff.doctor, "甲", keyed))
    async with keyed.unit_of_work() as uow:
        await uow.session.execute(update(File).values(name="乙"))
    assert await owners(keyed, File.name) == [None]
    async with keyed.unit_of_work() as uow:
        with sealing_for(staff.hospital_id):
            await uow.session.execute(update(File).values(name="丙"))
    assert await owners(keyed, File.name) == [staff.hospital_id]
    async with keyed.unit_of_work() as uow:
        named = ForHospital(staff.other_hospital_id, "丁")
        values = {**columns(upload(staff.foreign_doctor, "", keyed)), "name": named}
        await uow.session.execute(insert(File), [values])
    assert set(await owners(keyed, File.name)) == {staff.hospital_id, staff.other_hospital_id}


def columns(file: File) -> dict[str, object]:
    return {name: value for name, value in vars(file).items() if not name.startswith("_")}


async def test_a_hospital_without_keys_uses_the_groups(keyed: Runtime) -> None:
    cast = await hire_cast(keyed)
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(cast.doctor, "甲", keyed))
    assert await owners(keyed, File.name) == [None]
    async with keyed.unit_of_work() as uow:
        assert (await uow.session.scalars(select(File.name))).all() == ["甲"]
