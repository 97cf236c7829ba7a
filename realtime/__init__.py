"""Rooms: who is in them, what is said in them, and how it reaches every device.

Purpose: durable, ordered, exactly-once rooms over Socket.IO; receipts, recall, presence, the user's
inbox. A room carries an opaque reference to what it is about and knows nothing of medicine or
media: both open and steer rooms through `realtime.service`, speak in them through
`service.system_message` and register the socket messages they accept in `realtime.table`.

Announces: `RoomOpened`, `RoomActivated`, `ParticipantJoined`, `ParticipantLeft`, `RoomHandedOver`,
`MessageRecalled`, `RoomClosed`, `NoticeStored`. Never an event per message: the room itself is the
log, read it by its `seq`.
Hears: nothing.
"""
