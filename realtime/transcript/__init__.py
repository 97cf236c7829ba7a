"""A room's log as a document that people keep: JSON for machines, PDF for readers, with digests.

Asked for by whoever may read the room, made in the background page by page (so that a long room
shows progress and stalls nobody), kept for some days. The digests stay, so that a copy can be
checked later.
"""
