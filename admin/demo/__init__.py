"""The demo: a hospital full of invented people, and the launcher that starts everything.

Everybody here is invented. Identity numbers carry the region 119999, a district that does not exist
(a right check digit, so that the checks work, and nobody's number); telephone numbers are
13800000001 and following.
"""
