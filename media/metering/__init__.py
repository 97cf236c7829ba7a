"""Metering: minutes of calls and bytes of recordings, day by day, against what was agreed.

Purpose: count what the hospital's contract for audio and video counts (S0-N-021, S0-N-022), show
it, and warn before a quota is used up. Nothing is ever refused because of a quota.
Announces: nothing (`core.alarms` tells the officers).
Hears: nothing.
"""
