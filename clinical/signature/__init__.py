"""Signatures: of people with a PIN, of the hospital with its seal, of other systems by a service.

Purpose: make documents provable: who signed what, when, with which certificate, good then and now.
Announces: DocumentSigned, CertificateChanged.
Hears: DocumentFinished.
"""
