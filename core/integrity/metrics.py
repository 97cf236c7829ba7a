"""What monitoring reads of integrity."""

from prometheus_client import Counter, Gauge

SEALED = Counter("zhenjian_integrity_sealed_rows", "Ledger rows put into blocks by this process")
FINDINGS = Gauge("zhenjian_integrity_findings", "Findings that nobody has explained")
