"""What a hospital may set about speech to text."""

from core.settings import declare

TRANSCRIBE_RECORDINGS = declare(
    "speech.recordings",
    bool,
    True,
    title="录像自动转文字",
    description="录像合成后自动把语音转成文字，供回看和生成字幕；开通语音识别后有效",
)
