"""Accounts of staff and administrators, kept by administrators and operators.

Purpose: create, change, lock, dismiss and reset accounts; the verbs stand in `core.identity.staff`.
Announces: nothing of its own.
Hears: nothing.
"""
