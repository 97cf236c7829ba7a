"""Scanning of uploads for viruses: a port, clamd behind it, and what happens to infected files.

Purpose: nothing that a scanner knows as malicious becomes visible to anybody. An infected upload is
refused; its digest is kept in quarantine, never its content. Scanning happens before decoders touch
the upload and before it is stored.
Announces: alarms of the kind `infected_upload`. Hears: nothing.
"""
