"""The life of a transcript, and what is taken out for whoever asked."""

WAITING, RUNNING, READY = "waiting", "running", "ready"
FAILED, EXPIRED = "failed", "expired"

#: Patients' names: as they are, with the middle masked, or not at all.
NONE, MASKED, HIDDEN = "none", "masked", "hidden"
