"""Second factors: TOTP, a code by text message, recovery codes; enrolling and proving them.

Purpose: let somebody show twice who he is, at login where the role asks for it and again before
actions that weigh (signing, keys, policies).
Announces: nothing.
Hears: nothing.
"""
