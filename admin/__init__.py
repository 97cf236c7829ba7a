"""Administration: reads and steers the other modules; nothing but ``app.py`` imports it."""
