"""A diff that holds a secret is shown line by line all the same."""

import pytest

from gpu_workers.diff_lines import lines_of
from gpu_workers.repos.redacting import redacted_hunks
from guildhall.kernel.redaction import MARK

pytestmark = pytest.mark.unit
BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"


def told(text: str) -> list[tuple[str, int, int, str]]:
    return [
        (line.kind, line.old, line.new, line.text) for line in lines_of(redacted_hunks(text)) if line.kind != "hunk"
    ]


def test_a_key_over_several_lines_leaves_each_its_side_and_number() -> None:
    assert told(f"@@ -1,3 +1,4 @@\n a\n-{BEGIN}\n+{BEGIN}\n+MIIEabc\n+{END}\n b\n") == [
        ("", 1, 1, "a"),
        ("del", 2, 0, MARK),
        ("add", 0, 2, MARK),
        ("add", 0, 3, MARK),
        ("add", 0, 4, MARK),
        ("", 3, 5, "b"),
    ]


def test_no_line_of_a_later_hunk_goes_unseen_below_a_key_that_does_not_end() -> None:
    assert told(f"@@ -1 +1 @@\n {BEGIN}\n@@ -9 +9,2 @@\n c\n+run()\n") == [
        ("", 1, 1, MARK),
        ("", 9, 9, MARK),
        ("add", 0, 10, MARK),
    ]
    assert "MIIEabc" not in redacted_hunks(f"@@ -1 +1 @@\n {BEGIN}\n@@ -9 +9 @@ MIIEabc\n-a\n+b\n")
