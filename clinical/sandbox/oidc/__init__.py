"""The hospital's single sign-on as an OpenID provider, with its faults and rotating keys."""
