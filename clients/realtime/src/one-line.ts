import { stickerOf } from "./stickers";

/** What a card of a registered type shows; its title says which one. */
const CARDS: Record<string, string> = {
  past_prescription: "处方",
  doctor: "医生",
};

interface Said {
  text?: string;
  file?: { name?: string };
  code?: string;
  name?: string;
  type?: string;
  title?: string;
  removed?: boolean;
}

/**
 * One line that stands for a message in a list or a quotation. The server says the same
 * (`realtime/one_line.py`), so that a list reads alike live and loaded again.
 */
export function oneLine(kind: string, body: unknown, recalled = false): string {
  if (recalled) return "消息已撤回";
  const said = (body ?? {}) as Said;
  if (said.removed) return "内容已过保存期限";
  switch (kind) {
    case "text":
    case "system":
      return said.text ?? "";
    case "image":
      return "[图片]";
    case "voice":
      return "[语音]";
    case "video":
      return "[视频]";
    case "file":
      return marked("文件", said.file?.name);
    case "sticker":
      return marked(stickerOf(said.code ?? "")?.label ?? "表情");
    case "location":
      return marked("位置", said.name);
    case "card":
      return marked(CARDS[said.type ?? ""] ?? "卡片", said.title);
    default:
      return marked("消息");
  }
}

const marked = (what: string, which = ""): string => `[${what}] ${which}`.trim();
