"""What consent and people's rights do by themselves."""

from datetime import timedelta

from clinical.consent.copies import make_waiting
from clinical.consent.retention import close_due_accounts, remove_what_is_over
from core.jobs import Job

JOBS = [
    Job("consent.make_copies", timedelta(seconds=5), make_waiting),
    Job("consent.close_accounts", timedelta(minutes=10), close_due_accounts),
    Job("consent.remove_what_is_over", timedelta(days=1), remove_what_is_over),
]
