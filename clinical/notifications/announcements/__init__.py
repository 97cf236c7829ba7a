"""Announcements: what a hospital tells its people and patients, and what work lies ahead of them.

Purpose: news, internal notices, public information, and appointments of work (meetings, courses,
academic events); drafted, published at once or at a set time, withdrawn, with every earlier
wording, who has read and who has confirmed. Appointments of work are reminded of beforehand.
Announces: `AnnouncementsChanged`.
Hears: its own `AnnouncementsChanged` (hints to the connected people whom it concerns).
"""
