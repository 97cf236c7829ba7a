"""A message in one line, for lists and copies of conversations.

The clients say the same (`oneLine`), so that a list reads alike live and loaded again; the cases of
both stand in `clients/behaviour/one-line.json`.
"""

from collections.abc import Mapping
from typing import Any

from realtime.attachments import card_name
from realtime.rules import MessageKind

#: The stickers of the house by their code; their pictures are the clients'.
STICKERS: Mapping[str, str] = {
    "smile": "微笑",
    "happy": "开心",
    "thanks": "谢谢",
    "relieved": "放心",
    "thinking": "思考",
    "worried": "担心",
    "unwell": "不舒服",
    "cry": "难过",
    "ok": "好的",
    "heart": "爱心",
    "cheer": "加油",
    "rose": "送花",
}


def one_line(kind: str, body: Mapping[str, Any], *, recalled: bool = False) -> str:
    """What stands for a message of this kind where there is no room for more."""
    if recalled:
        return "消息已撤回"
    if body.get("removed"):
        return "内容已过保存期限"
    match kind:
        case MessageKind.TEXT | MessageKind.SYSTEM:
            return str(body.get("text") or "")
        case MessageKind.IMAGE:
            return "[图片]"
        case MessageKind.VOICE:
            return "[语音]"
        case MessageKind.VIDEO:
            return "[视频]"
        case MessageKind.FILE:
            return _marked("文件", body.get("file", {}).get("name"))
        case MessageKind.STICKER:
            return _marked(STICKERS.get(body.get("code", ""), "表情"))
        case MessageKind.LOCATION:
            return _marked("位置", body.get("name"))
        case MessageKind.CARD:
            return _marked(card_name(body.get("type", "")) or "卡片", body.get("title"))
    return _marked("消息")


def _marked(what: str, which: object = None) -> str:
    return f"[{what}] {which or ''}".strip()
