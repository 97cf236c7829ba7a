"""What signing repeats: calls that failed, seals, renewals, reminders, forgetting."""

from datetime import timedelta

from clinical.signature import authority, confirming, keeping, reminders, sealing, timestamping
from core.jobs import Job
from core.runtime import Runtime


async def seal(runtime: Runtime) -> None:
    """Seal what could not be sealed at once."""
    await sealing.seal_waiting(runtime)


async def renew(runtime: Runtime) -> None:
    """Ask for new certificates before the old ones end."""
    async with runtime.unit_of_work() as uow:
        await authority.ask_for_renewals(uow)


async def forget(runtime: Runtime) -> None:
    """Forget the keys in confirmations whose time is over."""
    async with runtime.unit_of_work() as uow:
        await confirming.forget_expired(uow)


async def follow_accounts(runtime: Runtime) -> None:
    """Suspend and revoke where an account was disabled or left, whoever did it."""
    async with runtime.unit_of_work() as uow:
        await keeping.follow_accounts(uow)


async def remind(runtime: Runtime) -> None:
    """Remind people of what waits for their signature."""
    async with runtime.unit_of_work() as uow:
        await reminders.remind(uow)


async def watch_usage(runtime: Runtime) -> None:
    """Warn of limits that come near."""
    async with runtime.unit_of_work() as uow:
        await reminders.watch_usage(uow)


JOBS = [
    Job("signature.enrol_hospitals", timedelta(minutes=1), sealing.enrol_hospitals),
    Job("signature.ask_authority", timedelta(seconds=10), authority.process_waiting),
    Job("signature.stamp", timedelta(seconds=20), timestamping.stamp_waiting),
    Job("signature.seal", timedelta(seconds=20), seal),
    Job("signature.forget_confirmations", timedelta(seconds=30), forget),
    Job("signature.renew", timedelta(hours=1), renew),
    Job("signature.follow_accounts", timedelta(minutes=10), follow_accounts),
    Job("signature.remind", timedelta(minutes=15), remind),
    Job("signature.watch_usage", timedelta(hours=6), watch_usage),
]
