"""Notifications: what reaches people who are not connected, and in whose words.

Purpose: templates as data (by hospital, notice and channel, with versions), people's preferences,
the way of each notice through the channels with every attempt recorded, the interface by which
other systems send. The inbox itself and the declarations of notices are in `realtime`.
Announces: nothing.
Hears: `NoticeStored` of realtime (plans a push for everybody who got an item).
"""
