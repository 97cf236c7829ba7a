"""What is done about keys by itself: making them in time, sealing data anew, looking after them."""

from datetime import timedelta

from core.crypto.follow import announce
from core.crypto.rotation import make_due_keys, retire_superseded
from core.crypto.runs import Resealer
from core.crypto.vault import Vault
from core.crypto.watch import look
from core.jobs import Job
from core.runtime import Runtime


async def make_due(runtime: Runtime) -> None:
    """Make the keys of new hospitals and of the next period; retire those that have a successor."""
    vault = runtime.ports.get(Vault)
    if vault is None:
        # The keys were given to this process in memory.
        return
    async with runtime.unit_of_work() as uow:
        made = await make_due_keys(uow, vault)
        retired = await retire_superseded(uow.session, uow.now)
    if made or retired:
        await announce(runtime)


async def reseal(runtime: Runtime) -> None:
    """Go on with the re-encryption that is under way."""
    if runtime.ports.get(Vault) is not None:
        await Resealer.of(runtime).turn()


JOBS = [
    Job("keys.make_due", timedelta(minutes=10), make_due),
    Job("keys.reseal", timedelta(seconds=1), reseal),
    Job("keys.watch", timedelta(minutes=5), look),
]
