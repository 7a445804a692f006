"""What a file is, by its first bytes, and a name for it that no system trips over. Pure.

The answer is for showing: files are always handed out as downloads that no browser renders, whatever they claim to be.
"""

import unicodedata

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
UNKNOWN, TEXT = "application/octet-stream", "text/plain"
LONGEST_NAME = 120
LONGEST_ENDING = 16


def media_type_of(data: bytes) -> str:
    """The media type that the content itself shows; markup is plain text, what is not known is a row of bytes."""
    for signature, media_type in SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return TEXT if _is_text(data) else UNKNOWN


def _is_text(data: bytes) -> bool:
    if b"\0" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def safe_name(given: str) -> str:
    """The last part of a path, without control and direction marks, dots in front, or more than 120 characters."""
    last = given.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(mark for mark in last if unicodedata.category(mark)[0] != "C")
    name = " ".join(kept.split()).lstrip(". ").replace('"', "'")
    stem, dot, ending = name.rpartition(".")
    if dot and stem and len(ending) <= LONGEST_ENDING:
        return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}"
    return name[:LONGEST_NAME] or "file"
