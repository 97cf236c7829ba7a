"""Ratings: the patient's word about an ended consultation, once, and what they add up to.

Purpose: one rating of one to five stars with tags and a comment for every ended consultation, the
list a doctor has received, the list a patient has given and the sums for the doctor's card.
Announces: `RatingGiven`. Hears: `ConsultationEnded` (invites the patient by inbox and card; who has
not rated after a day is reminded once).
"""
