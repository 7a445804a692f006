"""Settings as lines of `name = value`; empty lines and lines that begin with a hash sign are passed over."""


class BadSettings(ValueError):
    """The text cannot be read; the message names the line."""


def read(text):
    """The settings in `text` by name. Raises BadSettings."""
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, value = line.split("=")[:2]
        found[name.strip()] = value.strip().strip('"')
    return found
