"""A benchmark runs in a control group of its own, where there are any."""

import os
import subprocess
from pathlib import Path

import pytest

from loadtests.bench_group import _present, as_a_service

OWN = Path("/proc/self/cgroup")
V1 = "cgroup /groups/cpu cgroup rw,relatime,cpu 0 0\ncgroup2 /groups/unified cgroup2 rw 0 0\n"


def test_what_is_started_meanwhile_is_in_the_group_and_afterwards_nothing_is_left() -> None:
    before = OWN.read_text()
    with as_a_service() as grouped:
        inside = OWN.read_text()
        child = subprocess.run(["cat", "/proc/self/cgroup"], capture_output=True, text=True)
        assert child.stdout == inside
    assert OWN.read_text() == before
    own = f"zhenjian-bench-{os.getpid()}"
    assert own not in before
    # Where we are in a group already there is nothing to make; without rights nothing can be made.
    assert grouped or own not in inside
    if own in inside:
        folder, path = _present(inside, Path("/proc/self/mounts").read_text())
        assert folder is not None
        assert path.endswith(own)
        assert not folder.exists()


@pytest.mark.parametrize(
    ("own", "mounts", "found"),
    [
        ("1:cpu:/\n0::/\n", V1, ("/groups/cpu/", "/")),
        ("1:cpu,cpuacct:/a.service\n0::/\n", V1, ("/groups/cpu/a.service", "/a.service")),
        ("0::/\n", V1, (None, "/")),
    ],
)
def test_the_present_group_is_read_as_the_kernel_writes_it(
    own: str, mounts: str, found: tuple[str | None, str]
) -> None:
    folder, path = _present(own, mounts)
    assert (folder, path) == (Path(found[0]) if found[0] else None, found[1])


@pytest.mark.parametrize(
    ("path", "shared"), [("/", True), ("/system/a.service", True), ("/b", False)]
)
def test_with_one_hierarchy_the_level_above_says_whether_the_processor_is_shared_out(
    tmp_path: Path, path: str, *, shared: bool
) -> None:
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "cgroup.subtree_control").write_text("cpu memory\n")
    if path != "/b":
        (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    folder, found = _present(f"0::{path}\n", f"cgroup2 {tmp_path} cgroup2 rw 0 0\n")
    assert (folder is not None) is shared
    assert found == (path if shared else "/")
