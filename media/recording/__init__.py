"""Recordings: the journal written during a call, and the playable files made from it after.

Events announced: RecordingReady, RecordingFailed. Events heard: CallEnded (of media.calls).
"""
