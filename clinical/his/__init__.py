"""What the hospital's own systems know of a patient: records, examination and laboratory reports.

Purpose: one port with typed operations towards HIS, LIS, PACS and EMR (`gateway.py`), a codec for
each vendor (`rest.py`), a journal of every exchange; the patient's reports on the phone and, with a
consultation as the reason, the patient's records in the consulting room. Nothing that the hospital
answers is stored here.
Announces: nothing. Hears: nothing.
"""
