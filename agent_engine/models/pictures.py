"""How pictures are put before a model that sees, named to one that does not, and refused."""

import base64
import re
from collections.abc import Iterator
from typing import Any

from agent_engine.ports import Image, Turn

_ABOUT_IMAGES = re.compile(
    r"image|vision|multi-?modal|mmproj|\(HTTP 413\)"
    r"|content.{0,40}(?:must|should|valid|expected).{0,20}string",
    re.IGNORECASE,
)
_ABOUT_THESE = re.compile(
    r"too (?:large|big|many|small)|exceed|at most (?!0\b)|dimension|pixel|\bM[Bb]\b|megabyte"
    r"|\(HTTP 413\)|corrupt|truncat|malformed|\bdecod"
    r"|(?:could|can)(?: ?not|n't) (?:process|read|load|identify)"
    r"|invalid (?:base64 )?image\b(?!_)|image is (?:in)?valid|an unsupported image\b(?!_)",
    re.IGNORECASE,
)


def image_part(image: Image) -> dict[str, Any]:
    """Return the picture as a part of a message's content."""
    data = base64.b64encode(image.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{image.mimetype};base64,{data}"}}


def unseen(turn: Turn) -> Iterator[str]:
    """Say of each picture what it is, for a model that cannot see it."""
    for image in turn.images:
        about = f"{image.name}, {image.mimetype}, {len(image.data)} bytes"
        yield f"(image attached: {about}; this model cannot see images)"


def is_about_images(refusal: str) -> bool:
    """Say whether a server complains of pictures, which were in what it was sent.

    Servers have many words for it, and some none: the request was too large for them.

    >>> is_about_images("This model does not support image_url content")
    True
    """
    return _ABOUT_IMAGES.search(refusal) is not None


def is_about_these_images(refusal: str) -> bool:
    """Say whether it is one picture that a server complains of, for it may take others.

    >>> is_about_these_images("image exceeds 5 MB maximum: 5316852 bytes > 5242880 bytes")
    True
    >>> is_about_these_images("At most 0 image(s) may be provided in one request")
    False
    """
    return _ABOUT_THESE.search(refusal) is not None
