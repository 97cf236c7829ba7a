"""Uploads that go on where the connection broke: the tus protocol, then one call for the file.

Purpose: a large file reaches the house over a bad network, whatever node the next piece meets and
whichever was restarted in between. The pieces lie in the object storage, how far it came in the
database; no node holds anything that another lacks.
Announces: nothing. Hears: nothing.
"""
