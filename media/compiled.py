"""The compiled form of the packets' way: made by `make compiled`, used by a media worker.

mypyc makes an extension module of each file of `HOT`, from the same source that runs without it: a
packet then costs an eighth less (docs/decisions/0045). What was made belongs to exactly these
sources, this interpreter and these libraries, by a digest of them all; where anything differs the
worker runs the sources as they are.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

#: What a packet passes through between the socket and SRTP. Compiled code holds everybody to the
#: annotations: what is of another type than they say is a TypeError.
HOT: Final = (
    "extensions",
    "layer",
    "reception",
    "recorder",
    "rtp",
    "subscription",
    "track",
    "vp8",
    "ways",
)
SOURCES: Final = Path(__file__).resolve().parents[1]
#: Not where a hospital keeps its data: what lies here runs.
FOLDER: Final = SOURCES / "build" / "compiled"
#: What the compiled code was made against.
_LIBRARIES: Final = ("aiortc", "pylibsrtp")
_PACKAGE: Final = Path("media", "sfu")
_SECONDS: Final = 600


class NotCompiled(Exception):
    """What is missing, or what the compiler said."""


def digest(sources: Path = SOURCES) -> str:
    """Of all that the compiled form depends on: constants of other files are compiled in."""
    found = hashlib.sha256()
    kind = (sys.implementation.cache_tag, platform.machine(), *platform.libc_ver())
    found.update(" ".join((*map(str, kind), *HOT)).encode())
    for name in _LIBRARIES:
        found.update(f" {name} {version(name)}".encode())
    for file in _files(sources):
        found.update(f"\0{file.relative_to(sources)}\0".encode() + file.read_bytes())
    return found.hexdigest()[:32]


def _files(sources: Path) -> Iterator[Path]:
    yield sources / "media" / "__init__.py"
    yield sources / "media" / "errors.py"
    yield from sorted((sources / _PACKAGE).glob("*.py"))


def use(folder: Path = FOLDER, sources: Path = SOURCES) -> bool:
    """Let this process import the compiled form, if there is one of these sources.

    To be called before anything imports `media.sfu`'s modules.
    """
    found = folder / digest(sources)
    if not found.is_dir():
        return False
    import media.sfu

    # The modules share one library, which is found by the path.
    sys.path.append(str(found))
    media.sfu.__path__.insert(0, str(found / _PACKAGE))
    return True


def build(folder: Path = FOLDER, sources: Path = SOURCES) -> Path:
    """Make the compiled form, unless it is there; what was made of other sources is removed.

    Raises NotCompiled where a compiler is missing or refuses.
    """
    target = folder / digest(sources)
    folder.mkdir(parents=True, exist_ok=True)
    if not target.is_dir():
        if shutil.which(os.environ.get("CC", "cc")) is None:
            raise NotCompiled("There is no C compiler here (Debian: gcc).")
        with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as name:
            made = _compile(Path(name), sources)
            try:
                made.rename(target)
            except OSError:
                # Somebody else has made the same meanwhile.
                if not target.is_dir():
                    raise
    for old in folder.iterdir():
        if old != target and not old.name.startswith("making-"):
            shutil.rmtree(old)
    return target


def _compile(place: Path, sources: Path) -> Path:
    work, made = place / "work", place / "made"
    for file in _files(sources):
        copy = work / file.relative_to(sources)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    command = [sys.executable, "-m", "mypyc", "--config-file", str(sources / "pyproject.toml")]
    command += [str(_PACKAGE / f"{name}.py") for name in HOT]
    environment = os.environ | {"MYPYPATH": str(work), "PYTHONPATH": str(work)}
    ran = subprocess.run(
        command,
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if ran.returncode:
        raise NotCompiled((ran.stdout + ran.stderr)[-2000:])
    for library in [*work.glob("*.so"), *(work / _PACKAGE).glob("*.so")]:
        copy = made / library.relative_to(work)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, copy)
    return made


def main() -> None:
    try:
        sys.stdout.write(f"The packets' way is compiled: {build().relative_to(SOURCES)}\n")
    except (NotCompiled, OSError, subprocess.TimeoutExpired) as error:
        raise SystemExit(f"Not compiled; workers run the sources as they are. {error}") from None


if __name__ == "__main__":
    main()
