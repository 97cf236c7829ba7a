"""The foundation: nothing medical, no sockets."""
