"""Scheduled work on people."""

from datetime import timedelta

from sqlalchemy import select

from clinical.people.models import Patient
from core.jobs import Job
from core.runtime import Runtime

BATCH = 500


async def index_visit_cards(runtime: Runtime) -> None:
    """Index the cards of patients who were stored before cards could be searched for."""
    while True:
        async with runtime.unit_of_work() as uow:
            patients = await uow.session.scalars(
                select(Patient)
                .where(Patient.card_number.is_not(None), Patient.card_number_index.is_(None))
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            )
            found = patients.all()
            for patient in found:
                # Setting the number sets its index.
                patient.card_number = patient.card_number
        if len(found) < BATCH:
            return


JOBS = [Job("index_visit_cards", timedelta(days=1), index_visit_cards)]
