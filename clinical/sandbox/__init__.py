"""The outside world in one process: simulators that speak the real protocols over loopback.

Purpose: let the demo and the tests use every adapter unchanged: SMS, the real-name registry, the
HIS and WeChat Pay v3, with state that survives restarts, faults on demand and one page that shows
what arrived. It exists in demo mode only and shares no code with the adapters that it answers: each
signature is made and checked by a second hand.
Announces: nothing. Hears: nothing; it is no module of the hospital and has no tables there.
"""
