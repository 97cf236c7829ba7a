"""Proving a real name: the registry, Alipay's certification, pictures of the identity card.

Purpose: one place for what was shown as proof and by whom it was confirmed. Face recognition
comes later behind the same port.
Announces: `RealNameVerified`.
Hears: nothing.
"""
