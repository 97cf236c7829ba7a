"""Speech to text: what voice messages and recorded calls say, in words.

Purpose: a port for recognisers (an engine on this machine's processor, or a cloud service), jobs
that use it, and the texts, encrypted, beside messages and recordings.
Announces: nothing.
Hears: `RecordingReady`, `RecordingRemoved` of media.recording.
"""
