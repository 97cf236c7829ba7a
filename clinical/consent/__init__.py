"""Consent and people's rights: the texts, who agreed to which, and what a person may ask of us.

Announces `TextPublished`, `ConsentGiven`, `ConsentRefused`, `ConsentWithdrawn`, `RightsRequested`,
`RightsDecided`, `AccountClosed`. Hears `ConsultationAgreed` and writes the records of it.
"""
