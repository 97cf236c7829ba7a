"""Named errors of attachments."""

from core.errors import NotFound, ProblemError


class FileTooLarge(ProblemError):
    code, status, title = "file_too_large", 413, "文件过大"


class FileTypeNotAllowed(ProblemError):
    code, status, title = "file_type_not_allowed", 415, "不支持此类型的文件"


class FileContentMismatch(ProblemError):
    """The content is damaged, cut short or not what name and type say."""

    code, status, title = "file_content_mismatch", 422, "文件内容与类型不符或已损坏"


class FileEmpty(ProblemError):
    code, status, title = "file_empty", 422, "文件是空的"


class UploadMalformed(ProblemError):
    code, status, title = "upload_malformed", 400, "上传的请求格式不正确"


class FileNotAttachable(NotFound):
    """Unknown, somebody else's, or attached to something else already; never says which."""

    code, status, title = "file_not_found", 404, "附件不存在或已被使用"
