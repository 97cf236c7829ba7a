"""Operations: how the installation is doing, and what gave up and waits for a person.

Purpose: the system page (database, storage, media workers, outbox) and the parked reactions with
their retry.
Announces: nothing. Hears: nothing.
"""
