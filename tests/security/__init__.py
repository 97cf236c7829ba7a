"""The security suite: what an attacker tries, generated from the routes where that is possible."""
