"""Checks the FAQ against the policies and writes ci-report.xml (JUnit)."""

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]


def plain(text):
    return " ".join(text.split())


def sentences(text):
    body = " ".join(line for line in text.splitlines() if not line.startswith("#"))
    return [s for s in re.split(r"(?<=[.!?])\s+", plain(body)) if s]


def entries(faq):
    for part in re.split(r"^## ", faq, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        yield heading.strip(), plain(body)


def problems():
    faq = (ROOT / "docs" / "faq.md").read_text()
    allowed = {s for path in sorted((ROOT / "docs" / "policies").glob("*.md")) for s in sentences(path.read_text())}
    answered = list(entries(faq))
    for heading, body in answered:
        wrong = [s for s in sentences(body) if s not in allowed]
        yield f"only policy sentences: {heading}", [f"not in any policy: {s}" for s in wrong]
        yield f"is answered: {heading}", [] if body else ["the entry has no answer"]
    for topic, wanted in json.loads((ROOT / "ci" / "required.json").read_text()).items():
        bodies = [body for heading, body in answered if wanted["heading"] in heading.lower()]
        missing = [f"missing fact: {fact}" for fact in wanted["facts"] if not any(fact in body for body in bodies)]
        yield f"required: {topic}", missing if bodies else [f"docs/faq.md has no question about {topic}", *missing]


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
