"""What rooms do by themselves."""

from datetime import timedelta

from core.jobs import Job
from realtime.retention import clear_what_is_over

JOBS = [Job("rooms.clear_what_is_over", timedelta(days=1), clear_what_is_over)]
