"""Foundation: settings, clock, database, events, jobs, identity, crypto, audit, storage, HTTP kit.

Nothing medical and no sockets live here. Everything else stands on it; it imports nothing of the
house.
"""
