"""Named refusals of bytes that are not what they should be. Their texts are for people."""


class FormatError(ValueError):
    """Bytes from outside cannot be read as what they are said to be.

    `code` is for programs, `text` a Chinese sentence; the message itself is English for the log.
    """

    code = "format_invalid"
    text = "数据格式不正确"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.text)


class MalformedCertificate(FormatError):
    code, text = "certificate_malformed", "证书格式不正确"


class MalformedCms(FormatError):
    code, text = "cms_malformed", "签名消息格式不正确"


class MalformedTimestamp(FormatError):
    code, text = "timestamp_malformed", "时间戳格式不正确"


class MalformedRevocationList(FormatError):
    code, text = "crl_malformed", "吊销列表格式不正确"


class MalformedOcsp(FormatError):
    code, text = "ocsp_malformed", "OCSP应答格式不正确"


class TimestampRefused(FormatError):
    code, text = "timestamp_refused", "时间戳服务拒绝了请求"


class UnsupportedAlgorithm(FormatError):
    code, text = "algorithm_unsupported", "不支持的签名算法"
