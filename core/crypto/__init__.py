"""Keys and ciphers: SM3, SM4-GCM, the key file, encrypted columns, blind indexes and row MACs.

Purpose: keep personal data unreadable at rest, searchable only by exact match, and tamper-evident.
Announces: nothing.
Hears: nothing.
"""
