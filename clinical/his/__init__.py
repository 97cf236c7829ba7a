"""What the hospital's own systems know of a patient: records, reports and past prescriptions.

Purpose: one port with typed operations towards HIS, LIS, PACS and EMR (`gateway.py`), a codec for
each vendor (`rest.py`), a journal of every exchange; the patient's reports and prescriptions on the
phone and, with a consultation as the reason, the patient's records in the consulting room, where a
past prescription can be sent as a card. Nothing that the hospital answers is stored here.
Announces: nothing. Hears: nothing.
"""
