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


class TenantPlanChanged(Event):
    """How often an organisation may ask was changed by an owner."""

    kind: ClassVar[str] = "tenancy.tenant.plan_changed"
    slug: str
    before: str
    after: str

    def sentence(self) -> str:
        return f"changed the plan of {self.slug} from {self.before} to {self.after}"


class DomainAdded(Event):
    kind: ClassVar[str] = "tenancy.domain.added"
    host: str

    def sentence(self) -> str:
        return f"added the host name {self.host}"


class DomainRemoved(Event):
    kind: ClassVar[str] = "tenancy.domain.removed"
    host: str

    def sentence(self) -> str:
        return f"removed the host name {self.host}"


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


class MemberInvited(Event):
    kind: ClassVar[str] = "tenancy.member.invited"
    roles: list[str]

    def sentence(self) -> str:
        return f"invited somebody as {', '.join(self.roles)}"


class InvitationResent(Event):
    kind: ClassVar[str] = "tenancy.invitation.resent"
    roles: list[str]

    def sentence(self) -> str:
        return f"sent an invitation as {', '.join(self.roles)} again, with a new link"


class InvitationWithdrawn(Event):
    kind: ClassVar[str] = "tenancy.invitation.withdrawn"

    def sentence(self) -> str:
        return "withdrew an invitation"


class AccountCreated(Event):
    kind: ClassVar[str] = "identity.account.created"

    def sentence(self) -> str:
        return "set up an account"


class PasswordChanged(Event):
    kind: ClassVar[str] = "identity.password.changed"

    def sentence(self) -> str:
        return "changed their password"


class PasswordWasReset(Event):
    kind: ClassVar[str] = "identity.password.reset"

    def sentence(self) -> str:
        return "set a new password with a link that was sent to them"


class SecondFactorEnabled(Event):
    kind: ClassVar[str] = "identity.second_factor.enabled"

    def sentence(self) -> str:
        return "turned the second factor on"


class SecondFactorDisabled(Event):
    kind: ClassVar[str] = "identity.second_factor.disabled"

    def sentence(self) -> str:
        return "turned the second factor off"


class SecondFactorRead(Event):
    """The key of somebody's authenticator was read other than to let them in, which is told by their sign-in."""

    kind: ClassVar[str] = "identity.second_factor.read"
    purpose: str

    def sentence(self) -> str:
        return f"had the key of a second factor read: {self.purpose}"


class RecoveryCodesRenewed(Event):
    kind: ClassVar[str] = "identity.recovery_codes.renewed"

    def sentence(self) -> str:
        return "made new recovery codes"


class SignedIn(Event):
    kind: ClassVar[str] = "identity.signed_in"
    door: str
    second_factor: str

    def sentence(self) -> str:
        factor = {
            "totp": " with a code from their device",
            "recovery": " with a recovery code",
            "hand_off": " from another organisation of theirs",
        }
        return f"signed in to the {self.door}{factor.get(self.second_factor, '')}"


class HandedOn(Event):
    """Where to is the person's own business."""

    kind: ClassVar[str] = "identity.handed_on"

    def sentence(self) -> str:
        return "went on to another organisation of theirs"


class SignedOut(Event):
    kind: ClassVar[str] = "identity.signed_out"

    def sentence(self) -> str:
        return "signed out"


class SignInLocked(Event):
    kind: ClassVar[str] = "identity.sign_in.locked"
    failures: int

    def sentence(self) -> str:
        return f"locked sign-in from one address after {self.failures} failures"


class SessionEnded(Event):
    kind: ClassVar[str] = "identity.session.ended"

    def sentence(self) -> str:
        return "ended one of their sign-ins"


class SignedOutEverywhere(Event):
    kind: ClassVar[str] = "identity.signed_out_everywhere"
    sessions: int
    tokens: int

    def sentence(self) -> str:
        return f"signed out everywhere ({self.sessions} browsers, {self.tokens} token families)"


class TokenFamilyEnded(Event):
    kind: ClassVar[str] = "identity.token_family.ended"
    reason: str

    def sentence(self) -> str:
        return f"ended a family of refresh tokens: {self.reason}"


class ApiKeyCreated(Event):
    kind: ClassVar[str] = "identity.api_key.created"
    name: str
    scopes: list[str]

    def sentence(self) -> str:
        return f"made the API key {self.name} for {', '.join(self.scopes)}"


class ApiKeyRevoked(Event):
    kind: ClassVar[str] = "identity.api_key.revoked"
    name: str

    def sentence(self) -> str:
        return f"revoked the API key {self.name}"


class AccountDeactivated(Event):
    kind: ClassVar[str] = "identity.account.deactivated"
    reason: str

    def sentence(self) -> str:
        return "deactivated an account"


class AccountReactivated(Event):
    kind: ClassVar[str] = "identity.account.reactivated"
    reason: str

    def sentence(self) -> str:
        return "let a deactivated account in again"


class OwnerMade(Event):
    kind: ClassVar[str] = "identity.owner.made"
    reason: str

    def sentence(self) -> str:
        return "made somebody an owner of the platform"


class OwnerRemoved(Event):
    kind: ClassVar[str] = "identity.owner.removed"
    reason: str

    def sentence(self) -> str:
        return "ended somebody's ownership of the platform"
