"""Scans that are put together hide nothing."""

from tests.deploy.scans import Finding, Scans

RESUMED = Finding(id="resumption", severity="INFO", finding="supported")
NO_LINE = Finding(
    id="resumption", severity="WARN", finding="check failed because of connect problem"
)
OLD = Finding(id="TLS1", severity="MEDIUM", finding="offered")
GONE = Finding(id="TLS1", severity="OK", finding="not offered")
ODD = Finding(id="status", severity="WARN", finding="Unexpected 502 @ '/'")
GAVE_UP = Finding(id="scanProblem", severity="FATAL", finding="repeated TCP connect problems")


def scans(*each: list[Finding]) -> Scans:
    together = Scans()
    for findings in each:
        together.add(findings)
    return together


def test_a_check_that_could_not_be_performed_is_owed_until_a_scan_performs_it() -> None:
    assert scans([GONE, NO_LINE]).owed == {"resumption"}
    assert scans([GONE, NO_LINE], [GONE, NO_LINE]).owed == {"resumption"}
    settled = scans([GONE, NO_LINE], [GONE, RESUMED])
    assert (settled.owed, settled.bad) == (set(), [])


def test_what_one_scan_found_bad_stays_bad_whatever_the_next_says() -> None:
    assert scans([OLD, NO_LINE], [GONE, RESUMED]).bad == [OLD]
    assert scans([ODD, NO_LINE], [RESUMED]).bad == [ODD]


def test_a_scan_that_gave_up_owes_a_whole_one() -> None:
    assert scans([OLD, GAVE_UP]).owed == {"a whole scan"}
    assert scans([GONE, GAVE_UP], [GONE, NO_LINE], [GONE, RESUMED]).owed == set()
