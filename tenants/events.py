"""What happens to tenants and to people in them."""

from typing import ClassVar

from guildhall.kernel.events import Event


class TenantCreated(Event):
    kind: ClassVar[str] = "tenancy.tenant.created"
    slug: str
    name: str
    schema_name: str

    def sentence(self) -> str:
        return f"created the organisation {self.name} ({self.slug})"


class TenantOpened(Event):
    kind: ClassVar[str] = "tenancy.tenant.opened"
    slug: str

    def sentence(self) -> str:
        return f"opened {self.slug} for work"


class TenantSuspended(Event):
    kind: ClassVar[str] = "tenancy.tenant.suspended"
    slug: str
    reason: str

    def sentence(self) -> str:
        return f"suspended {self.slug}: {self.reason}"


class TenantResumed(Event):
    kind: ClassVar[str] = "tenancy.tenant.resumed"
    slug: str

    def sentence(self) -> str:
        return f"resumed {self.slug}"


class MemberJoined(Event):
    kind: ClassVar[str] = "tenancy.member.joined"
    person: str
    roles: list[str]

    def sentence(self) -> str:
        return f"made {self.person} a member as {', '.join(self.roles)}"


class MemberRolesChanged(Event):
    kind: ClassVar[str] = "tenancy.member.roles_changed"
    person: str
    before: list[str]
    after: list[str]

    def sentence(self) -> str:
        return f"changed the roles of {self.person} from {', '.join(self.before)} to {', '.join(self.after)}"


class MemberLeft(Event):
    kind: ClassVar[str] = "tenancy.member.left"
    person: str

    def sentence(self) -> str:
        return f"ended the membership of {self.person}"
