"""Consultations: from the first draft over payment and acceptance to the closing note.

Purpose: the life of a revisit (`rules.py` is its state machine), the intake form, the revisit
evidence, the notice and consent, the doctor's queue and phrases. The room belongs to `realtime`,
the money to `clinical.payments`.
Announces: `ConsultationSubmitted`, `ConsultationPaid`, `ConsultationAccepted`,
`ConsultationHandedOver`, `ConsultationDeclined`, `ConsultationCancelled`, `ConsultationEnded`,
`RefundRequested`.
Hears: `OrderPaid` of payments (opens the room, or asks for the money back when it came too late),
`RoomClosed` of realtime (ends a consultation whose room was closed by somebody else) and
`RoomHandedOver` (another doctor treats).
"""
