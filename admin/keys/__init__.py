"""Keys: the page on which administrators see the state of the keys and change data keys.

Purpose: key-encryption key and its age, data keys by hospital, purpose and period, re-encryption
with its progress, last backup and last drill with warnings. No key material passes through here.
Announces: nothing. Hears: nothing.
"""
