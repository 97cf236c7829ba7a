"""Identity: hospitals, departments, users, roles, device sessions and their tokens.

Purpose: say who somebody is, in which role and at which hospital, and end that when asked.
Announces: `UserRegistered`, `LoggedIn`, `SessionRevoked`, `RealNameVerified`.
Hears: nothing.
"""
