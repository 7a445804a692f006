"""A file's unified diff as hunks. Pure."""

from gpu_workers.unified import head_of


def hunks_of(text: str) -> list[dict[str, object]]:
    """Each hunk's header and lines; a line keeps its sign, so that none can be taken for a header."""
    found: list[tuple[str, list[str]]] = []
    for line in text.removesuffix("\n").split("\n") if text else []:
        if head_of(line):
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
    return [{"header": header, "lines": lines} for header, lines in found]
