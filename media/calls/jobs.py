"""Upkeep of calls: nobody answers, everybody is gone, a worker differs from the database."""

from datetime import datetime, timedelta

from core import settings
from core.jobs import Job
from core.runtime import Runtime
from media.calls import access, call, service
from media.calls.controller import Controller, end_by_itself
from media.calls.rules import WORKER_PATIENCE, EndReason, Place
from media.calls.service import Change
from media.calls.settings import ABANDONED_SECONDS
from media.calls.telling import BUSY


async def watch_calls(runtime: Runtime) -> None:
    """End what rings in vain or is abandoned; compare workers with the database."""
    async with runtime.unit_of_work() as uow:
        live = await access.live_calls(uow)
    for row in live:
        async with runtime.unit_of_work() as uow:
            seconds = await settings.get(uow, ABANDONED_SECONDS, hospital_id=row.hospital_id)
            patience, now = timedelta(seconds=seconds), uow.now
            await service.change(uow, row.id, _out_of_time(now, patience))
    if live:
        controller = await Controller.of(runtime)
        await controller.reconcile()
        for row in live:
            if controller.away_for(row.worker) > WORKER_PATIENCE.total_seconds():
                await end_by_itself(runtime, row.id, EndReason.WORKER_LOST)


def _out_of_time(now: datetime, patience: timedelta) -> Change:
    return lambda it: call.give_up(call.ring_out(it, now), now, patience)


async def show_busy(runtime: Runtime) -> None:
    """Renew the mark of everybody who is in a call."""
    async with runtime.unit_of_work() as uow:
        live = await access.live_calls(uow)
        stored = [await access.stored(uow, row.id) for row in live]
    for found in stored:
        for each in found.people if found is not None else []:
            if each.place == Place.JOINED:
                await runtime.realtime.set_busy(each.user_id, runtime.clock.now() + BUSY)


JOBS = [
    Job("calls.watch", timedelta(seconds=5), watch_calls),
    Job("calls.show_busy", timedelta(seconds=30), show_busy),
]
