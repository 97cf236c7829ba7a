"""People: those who are treated and those who treat them.

Purpose: patients with their guardians and relations to account holders, clinicians' profiles,
prices and service switches, the public catalogue of doctors, favourites.
Announces: nothing. Hears: nothing. Reads: `clinical.rating.access` (stars on a doctor's card) and
`clinical.consultation.access` (how many consultations a doctor has done).
"""
