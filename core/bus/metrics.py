"""What a bus tells the metrics page."""

from prometheus_client import Counter, Gauge

DEAF = Counter("zhenjian_bus_deaf_total", "Times that the bus fell silent and was set up anew")
HEARING = Gauge("zhenjian_bus_hearing", "Whether hints of other processes arrive: 1 yes, 0 no")
LOST = Counter("zhenjian_bus_lost_total", "Hints that were not sent: the bus was down or full")
RECONNECTS = Counter("zhenjian_bus_reconnects_total", "Times that the bus connected again")
