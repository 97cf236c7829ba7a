"""The call inside a room: who rings, who talks, on which worker, and why it ended.

Purpose: `call.py` is the state machine, `controller.py` the hand on the media workers. A call is
started by staff, rings on every device of the others, and the first device to accept wins. Whoever
was rung in vain gets a notice.
Announces: `CallStarted`, `CallAnswered`, `CallEnded`.
Hears: `RoomClosed`, `ParticipantLeft` and `RoomHandedOver` of realtime (the call ends, the member
goes, somebody else moderates it).
"""
