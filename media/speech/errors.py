"""Named refusals of speech to text."""

from core.errors import ProblemError


class SpeechNotConfigured(ProblemError):
    code, status, title = "speech_not_configured", 409, "医院未开通语音转文字"


class SpeechNotReady(ProblemError):
    code, status, title = "speech_not_ready", 409, "文字还没有转好，请稍后再试"
