"""Named errors of resumable uploads."""

from core.errors import ProblemError


class UploadOffsetConflict(ProblemError):
    """The piece does not begin where the upload stands; `details.offset` says where that is."""

    code, status, title = "upload_offset_conflict", 409, "上传位置不一致，将自动继续"


class UploadIncomplete(ProblemError):
    code, status, title = "upload_incomplete", 409, "文件尚未传完"


class ChecksumMismatch(ProblemError):
    """The piece changed on its way; nothing of it was kept (tus: 460)."""

    code, status, title = "checksum_mismatch", 460, "传输中数据出错，将自动重传"


class ContentDigestMismatch(ProblemError):
    """All pieces together are not what the client announced."""

    code, status, title = "content_digest_mismatch", 422, "文件在上传过程中发生了变化，请重新选择"


class UploadVersionUnsupported(ProblemError):
    code, status, title = "upload_version_unsupported", 412, "不支持此版本的上传协议"
