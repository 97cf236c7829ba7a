"""Audio and video: the packet engine, the worker process around it, recording, and calls.

``sfu`` forwards packets (no rooms, no database); ``worker`` is the process; ``control`` is the
client of its control protocol; ``recording`` is the journal and what is made of it; ``calls`` is
the call inside a room.
"""
