"""What rooms do by themselves."""

from datetime import timedelta

from core.jobs import Job
from realtime.reminding import remind_of_overdue_replies
from realtime.retention import clear_what_is_over
from realtime.transcript.making import make_waiting, remove_expired

JOBS = [
    Job("rooms.remind_of_overdue_replies", timedelta(minutes=1), remind_of_overdue_replies),
    Job("rooms.clear_what_is_over", timedelta(days=1), clear_what_is_over),
    Job("rooms.make_transcripts", timedelta(seconds=2), make_waiting),
    Job("rooms.remove_transcripts", timedelta(hours=1), remove_expired),
]
