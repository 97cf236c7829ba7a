"""Recordings: the journal written during a call, and the playable files made from it after.

Purpose: `journal.py` and `upload.py` run in the media worker and know no database; `remux.py` and
`compose.py` make files in a process of their own (`production.py`); `footage.py` takes in what was
uploaded, `retention.py` removes what is over; `composer.py` and the usual module files keep account
of recordings and show them to whom they concern.
Announces: `RecordingReady`, `RecordingFailed`, `RecordingRemoved`.
Hears: `CallAnswered`, `CallEnded` of media.calls; what the workers say of their takes.
"""
