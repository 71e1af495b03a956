import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.image_headers import HEADER_BYTES, ImageHeader, image_header
from tests.fakes.images import (
    gif,
    jpeg,
    png,
    segment,
    webp_extended,
    webp_lossless,
    webp_lossy,
)

EXIF = segment(0xE1, b"Exif\0\0" + jpeg(160, 120) + bytes(60_000))
"""A preview in it has a size of its own, which is not the picture's."""
PROFILE = segment(0xE2, bytes(65_000))

KINDS = [
    ("image/png", png),
    ("image/gif", gif),
    ("image/jpeg", jpeg),
    ("image/webp", webp_lossy),
    ("image/webp", webp_lossless),
    ("image/webp", webp_extended),
]


@pytest.mark.parametrize(("mimetype", "made"), KINDS)
def test_type_and_size_are_read(mimetype, made):
    assert image_header(made(640, 481)) == ImageHeader(mimetype=mimetype, width=640, height=481)


@pytest.mark.parametrize(
    "before",
    [
        EXIF,
        EXIF + PROFILE + PROFILE,
        b"\xff\xff" + EXIF,
        b"\xff\x01" + PROFILE,
        segment(0xC4, b"x"),
    ],
)
@pytest.mark.parametrize("frame", [0xC0, 0xC1, 0xC2, 0xCF])
def test_the_size_of_a_jpeg_is_the_frames_and_not_a_previews(before, frame):
    header = image_header(jpeg(4032, 3024, before=before, frame=frame)[:HEADER_BYTES])
    assert header is not None
    assert (header.pixels, header.longest) == ("4032x3024", 4032)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><title>Sign in</title>",
        b"%PDF-1.7\n",
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\xff\xd8\xff\xda\0\x08" + bytes(60),
        b"\xff\xd8 not at all",
        png(0, 480),
        jpeg(640, 0),
    ],
)
def test_what_is_no_image_of_a_size_is_none(content):
    assert image_header(content) is None


@given(kind=st.sampled_from([made for _, made in KINDS]), data=st.data())
def test_a_cut_or_spoilt_header_never_raises(kind, data):
    content = bytearray(kind(640, 480))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    image_header(bytes(content[: data.draw(st.integers(0, len(content)))]))


@given(st.binary(max_size=200))
def test_no_bytes_raise(content):
    image_header(b"\xff\xd8\xff" + content)
