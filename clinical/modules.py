"""The clinical modules, in the order in which their tables and handlers are loaded.

Adding a module is one folder, one line here, one test folder and its screens.
"""

MODULES: list[str] = [
    "clinical.people",
    "clinical.consent",
    "clinical.signature",
    "clinical.signature.certificates",
    "clinical.signature.applications",
    "clinical.notifications",
    "clinical.notifications.announcements",
    "clinical.consultation",
    "clinical.schedule",
    "clinical.outpatient",
    "clinical.payments",
    "clinical.rating",
    "clinical.his",
]
