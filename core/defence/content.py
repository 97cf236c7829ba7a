"""Whether the web content that is served is what was built.

`make clients` lists the digest of every file of the built clients. The web process compares them
with the list that it read at its start, every few minutes, and tells the officers of its first
difference; `zhenjian check` names each file. A planted file is a difference like a changed one.
"""

import asyncio
import hashlib
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.alarms import Trouble, keep_alarms
from core.crypto.sm import sm3
from core.runtime import Runtime

log = structlog.get_logger(__name__)

CLIENTS: Final = Path(__file__).resolve().parents[2] / "clients"
#: What is served, below `clients`.
SERVED: Final = ("console/dist", "mobile/dist/build/h5", "home")
LIST: Final = "digests.json"
FORMAT: Final = "zhenjian-content-1"
#: Marks of the build, which say nothing to a browser.
MARKS: Final = frozenset({".ready"})
SECONDS: Final = 300.0
QUOTED: Final = 5

Digests = dict[str, str]


class ContentListError(Exception):
    """The list cannot be read: its message says what to do."""


def digests(root: Path = CLIENTS) -> Digests:
    """The SM3 of every served file, by its path below `root`."""
    return {str(path.relative_to(root)): sm3(path.read_bytes()).hex() for path in _files(root)}


def _files(root: Path) -> Iterator[Path]:
    for folder in SERVED:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.name not in MARKS:
                yield path


def write_list(root: Path = CLIENTS) -> int:
    """List what was built; returns how many files that are."""
    found = digests(root)
    document = {"format": FORMAT, "files": found}
    (root / LIST).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    return len(found)


def read_list(root: Path = CLIENTS) -> Digests | None:
    """What was built; None where nothing was listed. Raises `ContentListError`."""
    try:
        document = json.loads((root / LIST).read_text())
        if document["format"] != FORMAT:
            raise ValueError(f"unknown format '{document['format']}'")
        return {str(path): str(digest) for path, digest in document["files"].items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ContentListError(f"{root / LIST} is damaged: {error}. Run 'make clients'.") from error


def differences(built: Digests, root: Path = CLIENTS) -> list[str]:
    """Files that are not as they were built, gone, or not from the build, by path."""
    present = digests(root)
    changed = {path for path in built.keys() & present.keys() if built[path] != present[path]}
    return sorted(changed | (built.keys() ^ present.keys()))


def problems(root: Path = CLIENTS) -> list[str]:
    """What `zhenjian check` says: a sentence for each file that differs."""
    try:
        built = read_list(root)
    except ContentListError as error:
        return [str(error)]
    if built is None:
        return []
    return [f"{path} is not as it was built." for path in differences(built, root)]


class ContentWatch:
    """Looks after the files of one machine for as long as its web process runs."""

    def __init__(
        self, runtime: Runtime, root: Path = CLIENTS, node: Callable[[], str] = socket.gethostname
    ) -> None:
        self._runtime = runtime
        self._root = root
        self._node = node()
        # Read once: whoever changes files and list together is found out until the next start.
        self._built: Digests | None = None
        try:
            self._built = read_list(root)
        except ContentListError as error:
            # Patients are served all the same; `zhenjian check` says it too.
            log.error("web_content_list_damaged", error=str(error))

    async def run(self, stop: asyncio.Event) -> None:
        """Look every few minutes until `stop` is set."""
        if self._built is None:
            log.warning("web_content_not_listed", list=str(self._root / LIST))
            return
        while not stop.is_set():
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                log.error("web_content_not_checked", error=repr(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS):
                    await stop.wait()

    async def look(self) -> None:
        """Compare, and let the alarms of this machine say what is wrong now."""
        if self._built is None:
            return
        wrong = await asyncio.to_thread(differences, self._built, self._root)
        if wrong:
            log.error("web_content_differs", files=wrong[:QUOTED], count=len(wrong))
        async with self._runtime.unit_of_work() as uow:
            await keep_alarms(uow, self._kind(), self._troubles(wrong))

    def _kind(self) -> str:
        """Machines keep their alarms apart from one another's."""
        mark = hashlib.sha256(self._node.encode()).hexdigest()[:12]
        return f"web_content.{mark}"

    def _troubles(self, wrong: Sequence[str]) -> list[Trouble]:
        if not wrong:
            return []
        text = (
            f"服务器 {self._node} 上有 {len(wrong)} 个网页文件与构建时不一致："
            f"{'、'.join(wrong[:QUOTED])}{' 等' if len(wrong) > QUOTED else ''}。"
            "可能被篡改，请运维人员立即核查并重新部署。"
        )
        return [Trouble("files", "网页文件被改动", text)]
