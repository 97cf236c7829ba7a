"""A little certification authority: two chains (SM2 and RSA), revocation lists, OCSP, timestamps.

It shares no code with the hospital's own formats: SM2 is gmssl's, ASN.1 is written by asn1crypto.
"""
