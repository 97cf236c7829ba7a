"""The media modules that run beside realtime, in dependency order; ``app.py`` reads this list."""

MODULES: tuple[str, ...] = ("media.calls", "media.recording", "media.speech", "media.metering")
