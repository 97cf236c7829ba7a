"""What a transcript says, as one JSON value, and its digest.

The digest is the SM3 of the canonical form of `content`: sorted keys, no blanks, UTF-8. What was
recalled or removed is an entry that says so and has no words.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.crypto.sm import sm3
from core.documents import canonical
from core.files.models import File
from core.identity.roles import Role
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.one_line import STICKERS
from realtime.rules import MessageKind

FORMAT = "zhenjian-transcript-1"
SAID, RECALLED, REMOVED = "said", "recalled", "removed"


def digest_of(content: Mapping[str, Any]) -> str:
    """The SM3 of the canonical form, hexadecimal."""
    return sm3(canonical(dict(content))).hex()


def document(content: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON file: the content with its digest."""
    digest = {"algorithm": "SM3", "of": "content", "value": digest_of(content)}
    return {"format": FORMAT, "content": content, "digest": digest}


def head(
    hospital: str,
    room: RoomRow,
    participants: Sequence[ParticipantRow],
    last_seq: int,
    made_at: datetime,
    number: str,
) -> dict[str, Any]:
    """Everything but the entries."""
    return {
        "hospital": hospital,
        "number": number,
        "made_at": moment(made_at),
        "last_seq": last_seq,
        "room": {
            "id": str(room.id),
            "kind": room.kind,
            "state": room.state,
            "close_reason": room.close_reason,
            "opened_at": moment(room.opened_at),
            "closed_at": None if room.closed_at is None else moment(room.closed_at),
            "about": {
                "type": room.ref_type,
                "id": None if room.ref_id is None else str(room.ref_id),
            },
        },
        "subject": {"title": room.title},
        "members": [
            {
                "user_id": str(each.user_id),
                "name": each.name,
                "role": each.role,
                "joined_at": moment(each.joined_at),
                "left_at": None if each.left_at is None else moment(each.left_at),
            }
            for each in participants
        ],
    }


def entry(row: MessageRow, names: Mapping[Any, str], files: Mapping[Any, File]) -> dict[str, Any]:
    """One entry of the log."""
    state = _state(row)
    said: dict[str, Any] = {
        "seq": row.seq,
        "at": moment(row.at),
        "kind": row.kind,
        "state": state,
        "reply_to": row.reply_to,
        "sender": None,
    }
    if row.sender_id is not None and row.sender_role is not None:
        said["sender"] = {
            "user_id": str(row.sender_id),
            "name": names.get(row.sender_id, ""),
            "role": Role(row.sender_role).value,
        }
    if state != SAID:
        return said
    said["body"] = {key: value for key, value in row.body.items() if key != "file"}
    file = files.get(row.id)
    if file is not None:
        said["file"] = {
            "id": str(file.id),
            "name": file.name,
            "content_type": file.content_type,
            "size": file.size,
            "sha256": file.sha256,
        }
    return said


def _state(row: MessageRow) -> str:
    if row.body.get("removed"):
        return REMOVED
    return RECALLED if row.recalled_at is not None else SAID


def moment(at: datetime) -> str:
    """A time as it stands in the document: UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def words(said: Mapping[str, Any]) -> str:
    """An entry as people read it."""
    match said["state"]:
        case "recalled":
            return "［该消息已撤回］"
        case "removed":
            return "［内容已过保存期限，已清除］"
    body, file = said.get("body", {}), said.get("file")
    if file is not None:
        name = f"［{_FILES[said['kind']]}］{file['name']}"
        caption = body.get("caption")
        return f"{name} {caption}" if caption else name
    match said["kind"]:
        case "text" | "system":
            return str(body.get("text", ""))
        case "sticker":
            code = str(body.get("code", ""))
            return f"［表情］{STICKERS.get(code, code)}"
        case "location":
            return f"［位置］{body.get('name', '')}（{body.get('lat')}，{body.get('lng')}）"
        case "card":
            return f"［卡片］{body.get('title', '')} {body.get('summary') or ''}".strip()
    return ""


_FILES = {
    MessageKind.IMAGE.value: "图片",
    MessageKind.VOICE.value: "语音",
    MessageKind.VIDEO.value: "视频",
    MessageKind.FILE.value: "文件",
}
