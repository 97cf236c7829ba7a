"""The signing service: other systems sign and verify over HTTP, each under its own policy.

Purpose: keys that never leave the house sign for calling applications, which prove themselves with
every request; every signature is logged before it is given out. Can be switched off at run time.
Announces: nothing.
Hears: nothing.
"""
