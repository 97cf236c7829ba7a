"""What a web process counts about its rooms."""

from prometheus_client import Counter, Gauge, Histogram

CONNECTIONS = Gauge("zhenjian_sockets", "Living sockets of this process")
COMMANDS = Counter("zhenjian_socket_events_total", "Events of clients", ["event", "outcome"])
BATCH_SIZE = Histogram(
    "zhenjian_message_batch_size",
    "Messages stored in one commit",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
RESYNCS = Counter("zhenjian_resyncs_total", "Times that a slow client had to be told to fetch")
PRESENCE_BATCHES = Counter(
    "zhenjian_presence_batches_total", "Transactions in which presence was written or read", ["way"]
)
LONGEST_STALL = Gauge(
    "zhenjian_loop_longest_stall_seconds",
    "Longest time that the event loop was away since this was last read",
)
