"""Papers that demo patients hand in: plainly made up, but readable."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from media.recording.pictures import font_of, writable

SIZE = (900, 1200)
MARGIN = 80
LINE = 76
INK, RULE, PAPER = (31, 41, 55), (203, 213, 225), (255, 255, 252)


def draw_paper(lines: Sequence[str], path: Path) -> None:
    """Draw a page with a heading (the first line) and entries, as a PNG."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    heading, *entries = [writable(line) for line in lines]
    draw.text((SIZE[0] / 2, MARGIN), heading, font=font_of(44), fill=INK, anchor="mt")
    top = MARGIN + 2 * LINE
    for place, entry in enumerate(entries):
        base = top + place * LINE
        draw.text((MARGIN, base), entry, font=font_of(32), fill=INK)
        draw.line((MARGIN, base + 56, SIZE[0] - MARGIN, base + 56), fill=RULE, width=2)
    image.save(path)
