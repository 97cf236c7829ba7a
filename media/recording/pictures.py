"""Name labels and cards, drawn with Pillow (the codec library in use has no text filter)."""

from functools import lru_cache
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFont

FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
CARD = (22, 30, 36)
DISC = (36, 92, 96)
TEXT = (236, 242, 242)
FAINT = (138, 152, 158)
MARGIN = 10


@lru_cache(maxsize=1)
def _font_path() -> str | None:
    return next((path for path in FONTS if Path(path).exists()), None)


def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    path = _font_path()
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


def writable(text: str) -> str:
    """The text, or its pinyin where the machine has no font with Chinese characters."""
    if _font_path() is not None:
        return text
    # Its dictionaries are large, and few machines lack a font.
    from pypinyin import lazy_pinyin

    return " ".join(lazy_pinyin(text)).title()


def label(name: str, width: int) -> av.VideoFrame:
    """A translucent name tag (yuva420p, even size), at most ``width`` pixels wide."""
    font = font_of(20)
    text = writable(name)
    while text and font.getlength(text) > width - 6 * MARGIN:
        text = text[:-1]
    size = (int(font.getlength(text)) + 2 * MARGIN) // 2 * 2 + 2, 34
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 8, fill=(10, 16, 20, 150))
    draw.text((MARGIN, size[1] / 2), text, font=font, fill=(*TEXT, 255), anchor="lm")
    return _frame(image, "rgba").reformat(format="yuva420p")


@lru_cache(maxsize=1)
def _stamp_size() -> tuple[int, int]:
    # Digits of some fonts differ in width: wide enough for any time.
    widest = max(font_of(18).getlength(digit) for digit in "0123456789")
    return (int(14 * widest + font_of(18).getlength("-- ::")) + 2 * MARGIN) // 2 * 2 + 2, 30


def stamp(text: str) -> av.VideoFrame:
    """The time of day on a translucent ground (yuva420p), always of one size."""
    size = _stamp_size()
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 6, fill=(10, 16, 20, 150))
    place = size[0] / 2, size[1] / 2
    draw.text(place, text, font=font_of(18), fill=(*TEXT, 255), anchor="mm")
    return _frame(image, "rgba").reformat(format="yuva420p")


def card(name: str, width: int, height: int) -> av.VideoFrame:
    """What stands in for a picture while there is none: a dark card with the name (yuv420p)."""
    image = Image.new("RGB", (width, height), CARD)
    draw = ImageDraw.Draw(image)
    centre, radius = (width / 2, height * 0.4), height * 0.14
    draw.ellipse(
        (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius),
        fill=DISC,
    )
    text = writable(name)
    draw.text(centre, text[:1], font=font_of(int(radius)), fill=TEXT, anchor="mm")
    draw.text((width / 2, height * 0.64), text, font=font_of(28), fill=TEXT, anchor="mm")
    note = "摄像头未开启" if _font_path() else "camera off"
    draw.text((width / 2, height * 0.74), note, font=font_of(18), fill=FAINT, anchor="mm")
    return _frame(image, "rgb24").reformat(format="yuv420p")


def _frame(image: Image.Image, pixel_format: str) -> av.VideoFrame:
    frame = av.VideoFrame(image.width, image.height, pixel_format)
    plane = frame.planes[0]
    row = image.width * len(image.getbands())
    data = image.tobytes()
    padding = bytes(plane.line_size - row)
    lines = (data[start : start + row] + padding for start in range(0, len(data), row))
    plane.update(b"".join(lines))
    return frame
