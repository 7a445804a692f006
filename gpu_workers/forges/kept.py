"""Remarks on lines that the platform keeps itself, for built-in repositories."""

from __future__ import annotations

from gpu_workers.forges.protocol import MAX_REMARKS, REMARK_CHARS, Remark
from gpu_workers.models import ChangeRemark
from guildhall.kernel.redaction import redact


def kept_remarks(number: int) -> list[Remark]:
    """What was said of the lines of change `number`, oldest first, the last `MAX_REMARKS`; an outdated one has no line.

    Those that are noted as read: what can still be mended or taken back is not told.
    """
    said = ChangeRemark.objects.filter(change__number=number, read_by__isnull=False)
    rows = said.select_related("change").order_by("-pk")[:MAX_REMARKS]
    return [
        Remark(
            row.author_name[:80],
            redact(row.text)[:REMARK_CHARS],
            row.path[:300],
            row.line if row.commit_sha == row.change.head_sha else 0,
        )
        for row in reversed(rows)
    ]
