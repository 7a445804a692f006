"""Compares the FAQ with the policies and writes ci-report.xml (JUnit)."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]


def plain(text):
    return " ".join(text.split())


def sentences(text):
    return [s for s in re.split(r"(?<=[.!?])\s+", plain(text)) if s]


def figures(text):
    return set(re.findall(r"\d+(?:[.:]\d+)?", text))


def sections(text, mark):
    """Heading and text of each part below a heading."""
    for part in re.split(mark, text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        yield heading.strip(), plain(body)


def problems():
    policies = sorted((ROOT / "docs" / "policies").glob("*.md"))
    promises = [(f"{p.name}, {name}", body) for p in policies for name, body in sections(p.read_text(), r"^#+ ")]
    allowed = {sentence for _, body in promises for sentence in sentences(body)}
    for heading, body in sections((ROOT / "docs" / "faq.md").read_text(), r"^## "):
        said = sentences(body)
        yield f"is answered: {heading}", [] if said else ["the entry has no answer"]
        yield f"only what we promise: {heading}", [f"not in any policy: {s}" for s in said if s not in allowed]
        drawn_on = [(place, text) for place, text in promises if any(s in sentences(text) for s in said)]
        left_out = [(place, figure) for place, text in drawn_on for figure in sorted(figures(text) - figures(body))]
        yield f"all figures: {heading}", [f"the answer does not say {figure} ({place})" for place, figure in left_out]


def main():
    suite = ElementTree.Element("testsuite", name="faq")
    failed = 0
    for name, found in problems():
        case = ElementTree.SubElement(suite, "testcase", classname="faq", name=name)
        print(f"{'FAILED' if found else 'ok    '} {name}")
        if found:
            failed += 1
            ElementTree.SubElement(case, "failure", message=found[0]).text = "\n".join(found)
            print("\n".join(f"    {problem}" for problem in found))
    (ROOT / "ci-report.xml").write_bytes(ElementTree.tostring(suite))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
