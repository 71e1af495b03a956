"""What an image says of itself in its first bytes: what it is, and how many pixels it has. Pure.

A name and a type that came with a file are its sender's choice; a header is what decoders go by.
Nothing is decoded here, and what cannot be told is None, never a guess.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

HEADER_BYTES: Final = 1 << 18
"""Enough of a file: before its own header a JPEG may carry a preview and colour profiles."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8"
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG behind which its size stands."""
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers of a JPEG that have no length."""
_SCAN: Final = 0xDA


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """What an image is."""

    mimetype: str
    width: int
    height: int

    @property
    def pixels(self) -> str:
        """Its size in words."""
        return f"{self.width}x{self.height}"

    @property
    def longest(self) -> int:
        """The longer of its sides."""
        return max(self.width, self.height)


def image_header(start: bytes) -> ImageHeader | None:
    """Read a PNG, JPEG, GIF or WebP; None for anything else, and for one that is cut too early.

    >>> image_header(b"GIF89a" + bytes([64, 1, 200, 0]))
    ImageHeader(mimetype='image/gif', width=320, height=200)
    """
    for mimetype, read in _READERS.items():
        try:
            size = read(start)
        except (struct.error, IndexError):
            continue
        if size is not None and all(size):
            return ImageHeader(mimetype=mimetype, width=size[0], height=size[1])
    return None


# ------------------------------------------------------------------------------------------------

_Size = tuple[int, int]


def _png(start: bytes) -> _Size | None:
    if not start.startswith(_PNG) or start[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", start, 16)
    return width, height


def _gif(start: bytes) -> _Size | None:
    if start[:6] not in {b"GIF87a", b"GIF89a"}:
        return None
    width, height = struct.unpack_from("<HH", start, 6)
    return width, height


def _webp(start: bytes) -> _Size | None:
    """Read one of the three kinds: extended, lossless, lossy."""
    if start[:4] != b"RIFF" or start[8:12] != b"WEBP":
        return None
    match start[12:16]:
        case b"VP8X":
            return _three_bytes(start, 24) + 1, _three_bytes(start, 27) + 1
        case b"VP8L" if start[20] == 0x2F:  # noqa: PLR2004  what such data begins with
            (bits,) = struct.unpack_from("<I", start, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if start[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", start, 26)
            return width & 0x3FFF, height & 0x3FFF
        case _:
            return None


def _three_bytes(start: bytes, place: int) -> int:
    if len(start) < place + 3:
        raise IndexError
    return int.from_bytes(start[place : place + 3], "little")


def _jpeg(start: bytes) -> _Size | None:
    """Go from marker to marker until one tells the size."""
    if not start.startswith(_JPEG):
        return None
    place = len(_JPEG)
    while start[place] == 0xFF:  # noqa: PLR2004  every marker begins with it
        marker = start[place + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", start, place + 5)
            return width, height
        if marker == _SCAN:
            return None
        place += _to_next(start, place, marker)
    return None


def _to_next(start: bytes, place: int, marker: int) -> int:
    if marker == 0xFF:  # noqa: PLR2004  it may be repeated to fill a gap
        return 1
    if marker in _ALONE:
        return 2
    (length,) = struct.unpack_from(">H", start, place + 2)
    return 2 + max(int(length), 2)


_READERS: Final[Mapping[str, Callable[[bytes], _Size | None]]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
}
