"""The schedule: sessions of doctors, places in them, and who is called in when.

Purpose: shifts (排班) with their places, release rule, extra places and suspension; bookings that
take a place with a submitted consultation; the queue of a shift, called by its doctor; the log of
every call (叫号日志).
Announces: `AppointmentMoved`, `ShiftSuspended`.
Hears: of consultation `AppointmentRequested` (takes the place or refuses the submission),
`ConsultationPaid`, `ConsultationAccepted`, `ConsultationEnded`, `ConsultationDeclined` and
`ConsultationCancelled` (the last two give the place back).
"""
