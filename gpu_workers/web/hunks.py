"""A file's unified diff as hunks. Pure."""


def hunks_of(text: str) -> list[dict[str, object]]:
    """Each hunk's header and lines; a line keeps its sign, so `@@` at its start is always a header."""
    found: list[tuple[str, list[str]]] = []
    for line in text.removesuffix("\n").split("\n") if text else []:
        if line.startswith("@@"):
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
    return [{"header": header, "lines": lines} for header, lines in found]
