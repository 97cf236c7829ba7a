"""How large an upload may be, by purpose and kind; the numbers are settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core import settings
from core.files.models import Purpose
from core.files.schemas import FileKind
from core.settings.registry import declare

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

MIB = 1024 * 1024

IMAGE_MEGABYTES = declare(
    "files.image_megabytes", int, 20, "图片大小上限", "", "MB", minimum=1, maximum=100
)
VOICE_MEGABYTES = declare(
    "files.voice_megabytes", int, 15, "语音大小上限", "", "MB", minimum=1, maximum=100
)
VIDEO_MEGABYTES = declare(
    "files.video_megabytes", int, 200, "视频大小上限", "", "MB", minimum=1, maximum=2000
)
FILE_MEGABYTES = declare(
    "files.file_megabytes", int, 50, "文件大小上限", "", "MB", minimum=1, maximum=500
)
MEDIA_MINUTES = declare(
    "files.media_minutes", int, 15, "语音和视频时长上限", "", "分钟", minimum=1, maximum=120
)
RECORDING_MEGABYTES = declare(
    "files.recording_megabytes",
    int,
    4000,
    "上传录像大小上限",
    "行为记录仪文件和课程录像",
    "MB",
    minimum=10,
    maximum=100_000,
)
RECORDING_MINUTES = declare(
    "files.recording_minutes",
    int,
    240,
    "上传录像时长上限",
    "行为记录仪文件和课程录像",
    "分钟",
    minimum=1,
    maximum=1440,
)
UNUSED_FILES = declare(
    "files.unused_per_person",
    int,
    100,
    "每人未使用附件上限",
    "已上传但尚未发送或提交的附件数量，超过后须等待系统清理。",
    "个",
    minimum=5,
    maximum=10_000,
)

OPEN_UPLOADS = declare(
    "files.open_uploads_per_person",
    int,
    10,
    "每人未完成上传上限",
    "断点续传中尚未传完的文件数量，24 小时内未传完的由系统清理。",
    "个",
    minimum=1,
    maximum=100,
)
OPEN_MEGABYTES = declare(
    "files.open_megabytes_per_person",
    int,
    1000,
    "每人未完成上传总大小上限",
    "断点续传中尚未传完的文件按其完整大小合计。",
    "MB",
    minimum=10,
    maximum=100_000,
)

_KINDS: dict[Purpose, tuple[FileKind, ...]] = {
    Purpose.MESSAGE: (FileKind.IMAGE, FileKind.VOICE, FileKind.VIDEO, FileKind.FILE),
    Purpose.INTAKE: (FileKind.IMAGE, FileKind.VOICE, FileKind.VIDEO, FileKind.FILE),
    Purpose.PROOF: (FileKind.IMAGE, FileKind.FILE),
    Purpose.AVATAR: (FileKind.IMAGE,),
    Purpose.CERTIFICATE: (FileKind.IMAGE, FileKind.FILE),
    Purpose.SIGNATURE: (FileKind.IMAGE,),
    Purpose.ANNOUNCEMENT: (FileKind.IMAGE, FileKind.FILE),
    Purpose.RECORDING: (FileKind.VOICE, FileKind.VIDEO),
}
#: A purpose may be stricter than the kind.
_CAPS: dict[Purpose, int] = {
    Purpose.PROOF: 20 * MIB,
    Purpose.AVATAR: 5 * MIB,
    Purpose.CERTIFICATE: 20 * MIB,
    Purpose.SIGNATURE: 2 * MIB,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Byte limits by kind, the longest sound or video, how many unused uploads are kept, and how
    many resumable ones may be open and how large together. Recordings have limits of their own and
    come by resumable upload alone."""

    by_kind: dict[FileKind, int]
    media_seconds: int
    unused_files: int
    open_uploads: int
    open_bytes: int
    recording_bytes: int
    recording_seconds: int

    def allowed(self, purpose: Purpose, kind: FileKind) -> int | None:
        """The limit in bytes, or None when the purpose does not take the kind."""
        if kind not in _KINDS[purpose]:
            return None
        if purpose is Purpose.RECORDING:
            return self.recording_bytes
        return min(self.by_kind[kind], _CAPS.get(purpose, self.by_kind[kind]))

    def seconds(self, purpose: Purpose) -> int:
        """The longest sound or video."""
        return self.recording_seconds if purpose is Purpose.RECORDING else self.media_seconds

    def largest(self, purpose: Purpose | None) -> int:
        """The most bytes worth receiving before the kind is known; None: of a whole form."""
        at_once = [each for each in Purpose if each is not Purpose.RECORDING]
        purposes = at_once if purpose is None else [purpose]
        return max(self.allowed(each, kind) or 0 for each in purposes for kind in _KINDS[each])


async def limits_for(uow: "UnitOfWork", caller: "Caller") -> Limits:
    """The limits of the caller's hospital."""
    here = {"hospital_id": caller.hospital_id}
    return Limits(
        {
            FileKind.IMAGE: MIB * await settings.get(uow, IMAGE_MEGABYTES, **here),
            FileKind.VOICE: MIB * await settings.get(uow, VOICE_MEGABYTES, **here),
            FileKind.VIDEO: MIB * await settings.get(uow, VIDEO_MEGABYTES, **here),
            FileKind.FILE: MIB * await settings.get(uow, FILE_MEGABYTES, **here),
        },
        60 * await settings.get(uow, MEDIA_MINUTES, **here),
        await settings.get(uow, UNUSED_FILES, **here),
        await settings.get(uow, OPEN_UPLOADS, **here),
        MIB * await settings.get(uow, OPEN_MEGABYTES, **here),
        MIB * await settings.get(uow, RECORDING_MEGABYTES, **here),
        60 * await settings.get(uow, RECORDING_MINUTES, **here),
    )
