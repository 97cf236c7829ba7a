"""What the defence tells the metrics page; no label holds an address or a person."""

from prometheus_client import Counter, Gauge

RATE_LIMITED = Counter(
    "zhenjian_rate_limited_total", "Requests refused by a rate limit", ["kind", "scope"]
)
LOAD_SHED = Counter("zhenjian_load_shed_total", "Requests refused under load", ["priority"])
IN_HAND = Gauge("zhenjian_requests_in_hand", "Requests whose answer is being made")
TIMED_OUT = Counter("zhenjian_requests_timed_out_total", "Requests ended by their time limit")
REDIS_LOST = Counter("zhenjian_rate_redis_lost_total", "Times that Redis did not count")
BREAKER_STATE = Gauge(
    "zhenjian_outside_breaker", "Outside system: 0 closed, 1 half open, 2 open", ["system"]
)
BREAKER_OPENED = Counter(
    "zhenjian_outside_breaker_opened_total", "Times that a breaker opened", ["system"]
)
FORGED_ADDRESS = Counter(
    "zhenjian_outside_address_refused_total", "Addresses out of data that were not called"
)
POLICY_VIOLATIONS = Counter(
    "zhenjian_policy_violations_total", "Violations that browsers reported", ["directive"]
)
SOCKETS_SHED = Counter("zhenjian_sockets_shed_total", "Socket connections refused", ["reason"])
UPLOADS_SCANNED = Counter("zhenjian_uploads_scanned_total", "Uploads scanned", ["outcome"])
