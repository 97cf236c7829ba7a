"""The compiled form of the packets' way: of its own sources alone, and doing the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from media import compiled

TESTS = Path(__file__).parent
#: They meet every file that is compiled, and replace nothing inside of it.
SAME = ("fuzz", "layers", "reception", "rtp", "speaker", "track", "ways", "clients")
#: Native objects have no weak references, by which this one looks.
OTHERWISE = "not test_who_leaves_gives_everything_back"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what is compiled, and a folder that stands for its compiled form."""
    for folder in ("sfu", "."):
        copy = tmp_path / "media" / folder
        copy.mkdir(parents=True, exist_ok=True)
        for file in (compiled.SOURCES / "media" / folder).glob("*.py"):
            shutil.copy(file, copy)
    (tmp_path / "build" / compiled.digest(tmp_path)).mkdir(parents=True)
    return tmp_path


def test_a_compiled_form_is_of_these_very_sources(sources: Path) -> None:
    assert compiled.digest(sources) == compiled.digest()
    # A file that is not compiled itself: its constants may be in others that are.
    wire = sources / "media" / "sfu" / "wire.py"
    wire.write_text(wire.read_text().replace("ROOM: Final = 2048", "ROOM: Final = 4096"))
    assert compiled.digest(sources) != compiled.digest()
    assert not compiled.use(sources / "build", sources)


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(compiled.NotCompiled, match="no C compiler"):
        compiled.build(tmp_path / "build")
    assert not compiled.use(tmp_path / "build")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_compiled_packets_go_the_same_way(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler here")
    (tmp_path / "of-other-sources").mkdir()
    made = compiled.build(tmp_path)
    # Once for the same sources, and nothing else is kept.
    assert compiled.build(tmp_path) == made
    assert list(tmp_path.iterdir()) == [made]
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "tests.support.compiled_packets"),
            *(str(TESTS / f"test_{name}.py") for name in SAME),
            *("-k", OTHERWISE, "-p", "no:cacheprovider"),
        ],
        env=os.environ | {"ZHENJIAN_TEST_COMPILED": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=450,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-1000:]
    assert " passed" in ran.stdout
