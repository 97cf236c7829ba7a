"""Secrets out of files: ``ZHENJIAN_X_FILE`` beside every secret setting ``ZHENJIAN_X``.

A secret in the environment is seen by every child and every crash report; container and service
managers hand out files instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

PREFIX = "ZHENJIAN_"
LONGEST_SECRET = 16 * 1024


def secret_names(fields: Mapping[str, FieldInfo]) -> list[str]:
    """The settings that hold a secret."""
    return [name for name, field in fields.items() if _is_secret(field.annotation)]


def _is_secret(annotation: Any) -> bool:
    """`SecretStr`, or that or nothing; a table of secrets has no file."""
    if get_origin(annotation) in (Union, UnionType):
        return SecretStr in get_args(annotation)
    return annotation is SecretStr


def files_named(fields: Mapping[str, FieldInfo], environment: Mapping[str, str]) -> dict[str, Path]:
    """The files that the environment names, by setting."""
    named = {}
    for name in secret_names(fields):
        given = environment.get(f"{PREFIX}{name.upper()}_FILE")
        # A setting may have its own idea of a file (the PIN of a module).
        if given and f"{name}_file" not in fields:
            named[name] = Path(given)
    return named


def with_files(
    given: Mapping[str, Any], fields: Mapping[str, FieldInfo], environment: Mapping[str, str]
) -> dict[str, Any]:
    """The settings with what their files hold. Raises ValueError without telling content."""
    data = dict(given)
    # An environment file's names arrive as they stand there, in small letters.
    from_file = {
        f"{PREFIX}{name.upper()}_FILE": data.pop(f"{PREFIX.lower()}{name}_file")
        for name in secret_names(fields)
        if f"{PREFIX.lower()}{name}_file" in data
    }
    for name, path in files_named(fields, {**from_file, **environment}).items():
        if data.get(name):
            setting = PREFIX + name.upper()
            raise ValueError(f"{setting} and {setting}_FILE are both set.")
        data[name] = _content(name, path)
    return data


def _content(name: str, path: Path) -> str:
    setting = f"{PREFIX}{name.upper()}_FILE"
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_SECRET + 1)
        text = content.decode().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{setting}: cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{setting}: {path} holds no text.") from error
    if not text or len(content) > LONGEST_SECRET:
        raise ValueError(f"{setting}: {path} is empty or too large.")
    return text
