"""Named errors of scanning."""

from core.errors import ProblemError


class FileInfected(ProblemError):
    code, status, title = "file_infected", 422, "文件未通过安全检查，已被拒绝"


class ScanUnavailable(ProblemError):
    """No verdict could be had; without one no upload is taken."""

    code, status, title = "scan_unavailable", 503, "暂时无法进行文件安全检查，请稍后再上传"
