"""The first bytes of images of any size; what would follow is zeros that nobody decodes."""

import struct


def png(width, height, *, size=0):
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return _filled(head + b"\x08\x02\0\0\0", size)


def gif(width, height, *, size=0):
    return _filled(b"GIF89a" + struct.pack("<HH", width, height), size)


def jpeg(width, height, *, before=b"", size=0, frame=0xC0):
    """``before`` stands between the start and the frame: segments, filling, a preview."""
    found = struct.pack(">BBHBHHB", 0xFF, frame, 17, 8, height, width, 3)
    return _filled(b"\xff\xd8" + before + found, size)


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def webp_lossy(width, height):
    frame = b"\x30\x01\0" + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return _riff(b"VP8 ", frame)


def webp_lossless(width, height):
    return _riff(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def webp_extended(width, height):
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _riff(b"VP8X", b"\x10\0\0\0" + sizes)


def _riff(kind, content):
    body = kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _filled(start, size):
    return start + bytes(max(size - len(start), 0))
