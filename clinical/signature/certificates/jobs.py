"""What time does to certificates: lists end, answers age, certificates are taken back."""

from datetime import timedelta

from clinical.signature.certificates.keeping import refresh_all
from core.jobs import Job

JOBS = [Job("certificates.revocation", timedelta(minutes=1), refresh_all)]
