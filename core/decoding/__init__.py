"""Decoders of what strangers upload, for the process that runs them.

Purpose: nothing here knows the house, its keys or its database.
Announces: nothing. Hears: nothing.
"""
