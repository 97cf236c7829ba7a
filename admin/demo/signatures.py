"""Signatures of the demo: who signs is enrolled, some notes are signed, some wait.

Everything goes through the services and the simulated CA, as it would at a hospital.
"""

import asyncio
import hashlib
import io
import math
from dataclasses import replace
from uuid import UUID

import aiohttp
from PIL import Image, ImageDraw
from sqlalchemy import select

from admin.demo.accounts import (
    DOCTOR,
    NURSE,
    OTHER_DOCTOR,
    PHARMACIST,
    SECOND_NURSE,
    SIGNING_PIN,
    Figure,
)
from admin.demo.dice import Dice
from admin.demo.people import Town
from admin.demo.present import Today
from clinical.consultation.documents import CLOSING_NOTE
from clinical.consultation.models import Consultation
from clinical.signature import authority, confirming, documents, enrolment, pins, sealing, signing
from clinical.signature.certificates import store
from clinical.signature.certificates.states import Origin
from clinical.signature.gateway import CertificateAuthority
from clinical.signature.models import SigningKey
from clinical.signature.settings import CREDIT_CODE
from core.documents import DocumentFinished
from core.files.models import File, Purpose
from core.files.schemas import FileKind
from core.identity.access import id_number_key
from core.identity.caller import Caller
from core.identity.models import Hospital, User
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime
from core.settings.registry import Scope
from core.settings.service import set_value
from media.recording.pictures import font_of, writable

SIGNERS = (DOCTOR, OTHER_DOCTOR, PHARMACIST, NURSE, SECOND_NURSE)
#: The newest notes of the demo doctor wait, the ones before are signed.
WAITING, SIGNED = 2, 6
CREDIT_CODES = ("91119999MA0000001X", "91119999MA0000002X")
SIZE = (760, 300)


async def enrol(runtime: Runtime, dice: Dice, town: Town, today: Today, sandbox_url: str) -> None:
    """Give the hospitals their seals and the figures their handwriting, PIN and certificate.

    Without a CA on the runtime nobody is enrolled; the hospitals' numbers are known all the same.
    """
    await _credit_codes(runtime, today, town)
    if CertificateAuthority not in runtime.ports:
        return
    await _believe(runtime, sandbox_url)
    callers = [_caller(runtime, today, town, figure) for figure in SIGNERS]
    await _prove(runtime, dice, callers)
    await asyncio.gather(
        sealing.enrol_hospitals(runtime),
        *(_enrol(runtime, dice, caller) for caller in callers),
    )
    for caller in callers[:2]:
        await _sign_notes(runtime, caller)


def _caller(runtime: Runtime, today: Today, town: Town, figure: Figure) -> Caller:
    caller = today.caller(town.figures[figure.login], figure.role)
    return replace(caller, name=figure.name, second_factor_at=runtime.clock.now())


async def _believe(runtime: Runtime, sandbox_url: str) -> None:
    """Take the simulated CA's roots as anchors of every hospital."""
    roots = []
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http:
        for chain in ("sm2", "rsa"):
            async with http.get(f"{sandbox_url}/ca/certificates/{chain}-root.cer") as answer:
                answer.raise_for_status()
                roots += store.read_file(await answer.read())
    async with runtime.unit_of_work() as uow:
        for hospital_id in (await uow.session.scalars(select(Hospital.id))).all():
            await store.keep(
                uow,
                hospital_id,
                roots,
                origin=Origin.IMPORTED,
                trusted=True,
                note="演示CA的根证书",
            )


async def _credit_codes(runtime: Runtime, today: Today, town: Town) -> None:
    async with runtime.unit_of_work() as uow:
        hospitals = (
            await uow.session.scalars(select(Hospital.id).order_by(Hospital.position))
        ).all()
    administrator = today.caller(town.figures["admin"], Role.ADMINISTRATOR)
    for hospital_id, code in zip(hospitals, CREDIT_CODES, strict=True):
        async with runtime.unit_of_work() as uow:
            there = replace(administrator, hospital_id=hospital_id)
            await set_value(uow, there, CREDIT_CODE.key, code, Scope.HOSPITAL, None, "申请机构证书")


async def _prove(runtime: Runtime, dice: Dice, callers: list[Caller]) -> None:
    """A CA vouches only for somebody whose name was proven."""
    async with runtime.unit_of_work() as uow:
        for caller in callers:
            user = await uow.session.get_one(User, caller.user_id)
            number = dice.id_number(dice.birth(30, 55), male=dice.chance(0.5))
            user.real_name, user.id_number = user.name, number
            user.id_number_index = id_number_key(runtime.keyring, number)
            user.real_name_verified_at, user.real_name_reference = user.created_at, "DEMO"


async def _enrol(runtime: Runtime, dice: Dice, caller: Caller) -> None:
    file_id = await _keep(runtime, caller, draw_signature(caller.name, dice))
    async with runtime.unit_of_work() as uow:
        await enrolment.keep_image(uow, caller, file_id)
    request_id = await pins.set_first(runtime, caller, SIGNING_PIN, SIGNING_PIN)
    await authority.process(runtime, request_id)


async def _keep(runtime: Runtime, caller: Caller, picture: Image.Image) -> UUID:
    """Store our own picture as an upload would be, without the process that strangers' need."""
    file_id, now, written = new_id(), runtime.clock.now(), io.BytesIO()
    picture.save(written, "PNG")
    data = written.getvalue()
    key = f"files/{now:%Y/%m}/{file_id}/original"
    await runtime.storage.put(key, data, caller.hospital_id)
    async with runtime.unit_of_work() as uow:
        uow.session.add(
            File(
                id=file_id,
                hospital_id=caller.hospital_id,
                uploader_id=caller.user_id,
                purpose=Purpose.SIGNATURE,
                kind=FileKind.IMAGE,
                name="手写签名.png",
                content_type="image/png",
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                width=picture.width,
                height=picture.height,
                storage_key=key,
                created_at=now,
            )
        )
    return file_id


def draw_signature(name: str, dice: Dice) -> Image.Image:
    """A made-up signature: the name in slanted characters of uneven size over a flourish."""
    picture = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    left = 60.0
    for character in writable(name):
        size = dice.between(140, 176)
        glyph = Image.new("RGBA", (size + 40, size + 60), (0, 0, 0, 0))
        ImageDraw.Draw(glyph).text((20, 10), character, font=font_of(size), fill=(0, 0, 0, 255))
        lean = dice.between(4, 14)
        glyph = glyph.rotate(lean, Image.Resampling.BICUBIC, expand=True)
        picture.alpha_composite(glyph, (round(left), dice.between(8, 34)))
        left += size * 0.82
    draw = ImageDraw.Draw(picture)
    wave = [(60 + step * 5, 248 - step * 0.2 + math.sin(step / 7) * 9) for step in range(110)]
    draw.line([(round(x), round(y)) for x, y in wave], fill=(0, 0, 0, 255), width=6, joint="curve")
    return picture.crop(picture.getbbox())


async def _sign_notes(runtime: Runtime, caller: Caller) -> None:
    """Sign the doctor's notes of the last weeks; the very newest are left to be signed."""
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.execute(
            select(Consultation.id, Consultation.hospital_id)
            .where(
                Consultation.doctor_id == caller.user_id, Consultation.note_final_at.is_not(None)
            )
            .order_by(Consultation.ended_at.desc())
            .limit(WAITING + SIGNED)
        )
        notes = rows.all()
        for consultation_id, hospital_id in notes:
            uow.record(
                DocumentFinished(
                    hospital_id=hospital_id,
                    aggregate_id=consultation_id,
                    occurred_at=uow.now,
                    document_type=CLOSING_NOTE,
                    signer_id=caller.user_id,
                )
            )
    private_key, key_id = await confirming.open_key(runtime, caller, SIGNING_PIN)
    for consultation_id, _ in notes[WAITING:]:
        await _sign(runtime, caller, private_key, key_id, consultation_id)


async def _sign(
    runtime: Runtime, caller: Caller, private_key: bytes, key_id: UUID, consultation_id: UUID
) -> None:
    async with runtime.unit_of_work() as uow:
        draft = await documents.read(uow, CLOSING_NOTE, consultation_id, lock=True)
        assert draft is not None
        signer = await enrolment.signer_for(uow, caller.hospital_id, caller.user_id)
        key = await uow.session.get_one(SigningKey, key_id)
        await documents.store(
            uow,
            task=await documents.task_for(uow, draft),
            draft=draft,
            signer=signer,
            signer_name=caller.name,
            key=key,
            cms=signing.make_cms(uow, draft, private_key, key),
            caller=caller,
        )
