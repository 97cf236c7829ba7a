"""Logging in by what another house says: WeChat, and the hospital's single sign-on (OIDC).

Purpose: find the account that belongs to somebody whom another house has recognised, bind the two
and end sessions that end there.
Announces: `LoggedIn` through `login.open_session`.
Hears: nothing.
"""
