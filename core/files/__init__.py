"""Attachments: pictures, voice, video and documents, checked by content and shown by ticket.

Purpose: take a file in, make it harmless, show it to those who may see what it hangs on.
Announces: nothing.
Hears: nothing (modules register who may look: `register_viewer`).
"""

from core.files.access import register_viewer
from core.files.schemas import FileRef
from core.files.service import attach, file_refs

__all__ = ["FileRef", "attach", "file_refs", "register_viewer"]
