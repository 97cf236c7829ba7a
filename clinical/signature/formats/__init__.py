"""Signature formats: raw, CMS (GM/T 0010 and RFC 5652), timestamps, certificates and requests.

Purpose: turn keys and data into bytes that other systems read, and such bytes into plain values
with a named refusal for everything that is not what it should be. Knows no tables and no network.
Announces: nothing.
Hears: nothing.
"""
