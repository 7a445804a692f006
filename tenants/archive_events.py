"""What happens to an organisation that leaves."""

from typing import Any, ClassVar

from guildhall.kernel.events import Event

ROOT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class TenantArchiveOrdered(Event):
    """An owner wants a suspended organisation exported and dropped."""

    kind: ClassVar[str] = "tenancy.archive.ordered"
    slug: str
    schema_name: str
    reason: str

    def sentence(self) -> str:
        return f"had {self.slug} archived: {self.reason}"


class TenantExported(Event):
    """Everything of an organisation is in a file, which was read back; `root` is the SHA-256 of its manifest."""

    kind: ClassVar[str] = "tenancy.archive.exported"
    example: ClassVar[dict[str, Any]] = {"file": "org_acme.zip", "root": ROOT}
    slug: str
    file: str
    size: int
    root: str
    position: int
    until: str

    def sentence(self) -> str:
        return f"exported {self.slug} with its audit trail up to {self.position}, sealed as {self.root[:12]}"


class TenantArchived(Event):
    """An organisation's schema, role, stream, keys and sessions are gone; its export and its audit trail are kept."""

    kind: ClassVar[str] = "tenancy.archive.done"
    example: ClassVar[dict[str, Any]] = {"root": ROOT}
    slug: str
    root: str

    def sentence(self) -> str:
        return f"dropped {self.slug}, whose export is sealed as {self.root[:12]}"


class TenantExportPurged(Event):
    """The year of an export was over: the file is gone, its root stays."""

    kind: ClassVar[str] = "tenancy.archive.purged"
    example: ClassVar[dict[str, Any]] = {"root": ROOT}
    slug: str
    root: str

    def sentence(self) -> str:
        return f"deleted the export of {self.slug} whose year was over, sealed as {self.root[:12]}"
