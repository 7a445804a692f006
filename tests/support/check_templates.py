"""Compile every template, and hold the rules that templates have here: `python -m tests.support.check_templates`."""

import os
import re
import sys
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
RULES = {
    "inline script (the content security policy forbids it)": re.compile(
        r"<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE
    ),
    "inline event handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "inline style": re.compile(r"<[^>]*\sstyle\s*=|<style\b", re.IGNORECASE),
    "text that is not escaped": re.compile(r"\|\s*safe\b|{%\s*autoescape\s+off"),
    "an address on another host": re.compile(r"""(?:src|href)=["'](?:https?:)?//""", re.IGNORECASE),
    "a straight apostrophe in what people read": re.compile(r"[>}][^<>{}]*[A-Za-z]'[a-z ]"),
}


def broken_rules(text: str) -> list[str]:
    """The names of the rules that a template's text breaks."""
    return [name for name, pattern in RULES.items() if pattern.search(text)]


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")
    import django
    from django.template import TemplateSyntaxError
    from django.template.loader import get_template

    django.setup()
    found = []
    for path in sorted(TEMPLATES.rglob("*.html")):
        name = path.relative_to(TEMPLATES).as_posix()
        found += [f"{name}: {rule}" for rule in broken_rules(path.read_text())]
        try:
            get_template(name)
        except TemplateSyntaxError as error:
            found.append(f"{name}: {error}")
    print("\n".join(found) or "templates are well")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
