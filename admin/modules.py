"""The administration modules, in dependency order; ``app.py`` reads this list."""

MODULES: tuple[str, ...] = ("admin.operations", "admin.access", "admin.accounts", "admin.keys")
