"""Pictures and handwriting: decoded completely and written anew, with small ones."""

import io
import warnings
from pathlib import Path
from typing import Any

LONGEST_SIDE = 4096
#: In a list, in a bubble, and as large as a phone shows it. Larger than the picture none is made.
THUMBNAIL_SIDES = (160, 480, 1280)
AVATAR_SIDE = 640
INK_SIZE = (900, 360)
#: How dark a pixel must be to belong to a stroke, and the least area that can be a name.
INK_LEVEL, SMALLEST_INK = 64, 900
MOST_PIXELS = 64_000_000
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "HEIF", "AVIF")


class Refused(Exception):
    """The source is not taken; `reason` goes into the answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def convert_image(
    source: Path, folder: Path, *, square: bool = False, ink: bool = False
) -> dict[str, Any]:
    """Decode a picture completely and write it anew with a thumbnail."""
    from PIL import Image, ImageOps

    _register_heif()
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(source, formats=IMAGE_FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Refused("too_large")
            opened.load()
            picture = ImageOps.exif_transpose(opened)
            picture = _plain_colours(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused("too_large") from error
    # Pillow's plugins raise all of these for broken files.
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError) as error:
        raise Refused("damaged") from error
    if square:
        picture = ImageOps.fit(picture, (AVATAR_SIDE, AVATAR_SIDE))
    elif ink:
        picture = _strokes(picture)
    else:
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    transparent = picture.mode == "RGBA"
    file = folder / "original"
    if transparent:
        picture.save(file, "PNG")
    else:
        picture.save(file, "JPEG", quality=88)
    return {
        "ok": True,
        "kind": "image",
        "content_type": "image/png" if transparent else "image/jpeg",
        "file": str(file),
        "width": picture.width,
        "height": picture.height,
        "thumbnails": save_thumbnails(picture, folder),
        "thumbnail_type": "image/jpeg",
    }


def _register_heif() -> None:
    """Teach Pillow HEIC. The decoder turns such pictures upright itself."""
    import pillow_heif

    # Threads would count against the memory limit and gain nothing for one photograph.
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.register_heif_opener(thumbnails=False)


def _plain_colours(picture: Any) -> Any:
    """RGB or RGBA in sRGB, as an object that carries no metadata of the source."""
    from PIL import Image, ImageCms

    transparent = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    profile = picture.info.get("icc_profile")
    plain = picture.convert("RGBA" if transparent else "RGB")
    if profile and picture.mode in ("RGB", "RGBA"):
        try:
            colours = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            ImageCms.profileToProfile(plain, colours, ImageCms.createProfile("sRGB"), inPlace=True)
        except (ImageCms.PyCMSError, OSError):
            # A broken profile only means colours that are a little off.
            plain = plain.copy()
    if transparent and plain.getextrema()[3] == (255, 255):
        plain = plain.convert("RGB")
    clean = Image.new(plain.mode, plain.size)
    clean.paste(plain)
    return clean


def _strokes(picture: Any) -> Any:
    """Black handwriting on nothing, trimmed, whether it came on nothing or on white paper."""
    from PIL import Image, ImageOps

    if picture.mode == "RGBA":
        cover = picture.getchannel("A")
    else:
        cover = ImageOps.invert(picture.convert("L"))
    # Faint grey is paper or noise.
    box = cover.point(lambda value: 255 if value >= INK_LEVEL else 0).getbbox()
    if box is None or (box[2] - box[0]) * (box[3] - box[1]) < SMALLEST_INK:
        raise Refused("blank")
    cover = cover.crop(box)
    cover.thumbnail(INK_SIZE)
    margin = max(4, cover.height // 20)
    cover = ImageOps.expand(cover, margin, fill=0)
    strokes = Image.new("RGBA", cover.size, (0, 0, 0, 0))
    strokes.putalpha(cover)
    return strokes


def save_thumbnails(picture: Any, folder: Path) -> dict[int, str]:
    """Small JPEGs by their longest side in pixels, up to the size of the picture itself."""
    from PIL import Image

    small = picture
    if small.mode == "RGBA":
        small = Image.new("RGB", picture.size, "white")
        small.paste(picture, mask=picture.getchannel("A"))
    kept = {}
    for side in THUMBNAIL_SIDES:
        one = small.copy()
        one.thumbnail((side, side))
        path = folder / f"thumbnail-{side}"
        one.save(path, "JPEG", quality=80)
        kept[side] = str(path)
        if side >= max(picture.size):
            break
    return kept
