"""The lines of a file of the workspace, the same to every tool that shows, counts or changes them. Pure."""


def text_of(content: bytes) -> str:
    """A file's content as text that `bytes_of` gives back byte for byte: bytes that are no UTF-8 are surrogate escapes.

    Such text is for no model, no record and no database: `readable_text` is.
    """
    return content.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def readable_text(text: str) -> str:
    """What `text_of` gave, with U+FFFD for what is no UTF-8."""
    return bytes_of(text).decode("utf-8", "replace")


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends, by line feeds alone, as git and compilers count them."""
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines
