"""Engines that recognise speech on a processor. Runs in the child process alone.

Each is given one stretch of speech after the other (16 kHz, mono, 16 bits) and answers with its
words, so that cutting and times are the same for all of them.
"""

from array import array
from collections.abc import Callable
from pathlib import Path

RATE = 16_000

Hear = Callable[[bytes], str]


class EngineProblem(Exception):
    """The engine cannot be used as configured; the message says what is missing."""


def engine(name: str, model: str | None) -> Hear:
    """The function that turns a stretch of speech into words. Raises EngineProblem."""
    if name not in _ENGINES:
        raise EngineProblem(f"there is no engine '{name}', only {', '.join(sorted(_ENGINES))}")
    return _ENGINES[name](Path(model) if model else None)


def _pocketsphinx(model: Path | None) -> Hear:
    """CMU PocketSphinx: small, without a model folder the American English one of its wheel.

    A folder holds `acoustic/`, `language.lm.bin` and `words.dict`.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise EngineProblem("the package pocketsphinx is not installed") from error
    files = {}
    if model is not None:
        files = {
            "hmm": str(_there(model / "acoustic")),
            "lm": str(_there(model / "language.lm.bin")),
            "dict": str(_there(model / "words.dict")),
        }
    decoder = Decoder(samprate=RATE, loglevel="FATAL", **files)

    def hear(sound: bytes) -> str:
        decoder.start_utt()
        decoder.process_raw(sound, no_search=False, full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return str(found.hypstr) if found is not None else ""

    return hear


def _sherpa(model: Path | None) -> Hear:
    """sherpa-onnx with a SenseVoice model (`model.int8.onnx` or `model.onnx`, `tokens.txt`):
    Chinese with punctuation, several times faster than speech on one core.
    """
    try:
        import sherpa_onnx
    except ImportError as error:
        raise EngineProblem("the package sherpa-onnx is not installed") from error
    if model is None:
        raise EngineProblem("sherpa needs ZHENJIAN_SPEECH_MODEL, a folder with a SenseVoice model")
    small = model / "model.int8.onnx"
    recogniser = sherpa_onnx.OfflineRecognizer.from_sense_voice(
        model=str(small if small.exists() else _there(model / "model.onnx")),
        tokens=str(_there(model / "tokens.txt")),
        num_threads=1,
        use_itn=True,
    )

    def hear(sound: bytes) -> str:
        stream = recogniser.create_stream()
        stream.accept_waveform(RATE, [sample / 32768 for sample in array("h", sound)])
        recogniser.decode_stream(stream)
        return str(stream.result.text).strip()

    return hear


def _there(path: Path) -> Path:
    if not path.exists():
        raise EngineProblem(f"{path} is missing")
    return path


_ENGINES: dict[str, Callable[[Path | None], Hear]] = {
    "pocketsphinx": _pocketsphinx,
    "sherpa": _sherpa,
}
