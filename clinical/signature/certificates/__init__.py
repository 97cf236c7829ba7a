"""Certificates: the store, the chains and anchors that are believed, revocation lists and answers.

Purpose: say of any certificate whether it was good at a moment and is good now, with what CAs have
published; keep that fresh in the background without a restart.
Announces: nothing.
Hears: nothing.
"""
