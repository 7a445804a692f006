"""Django's authentication backend: passwords in the identity scope, people as members in a tenant's."""

from django.http import HttpRequest

from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.tenancy import current_scope_name, identity_scope, is_tenant_schema
from tenants.auth.members import Member, member_by_pk
from tenants.models import Membership, User


class MemberBackend:
    """Knows members on a tenant's host, owners on the platform's, and nobody anywhere else."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        *,
        joining: bool = False,
    ) -> User | None:
        """The person with this e-mail and password who may enter here.

        Takes one password hash for everybody, so its time does not tell who has an account. Somebody with the right
        password but no membership here looks the same as a wrong password, unless they are `joining`.
        """
        if not username or password is None:
            return None
        host = current_scope_name()
        with identity_scope():
            user = User.objects.filter(email=username.strip().lower(), is_active=True).first()
            if user is None:
                User().set_password(password)
                return None
            known = user.check_password(password)
            return user if known and (joining or may_enter(user, host)) else None

    def get_user(self, user_id: int) -> Member | User | None:
        """Who the session's user id is here, now; None ends the session's effect at once."""
        host = current_scope_name()
        if host == PLATFORM:
            return User.objects.filter(pk=user_id, is_active=True, is_owner=True).first()
        if host is None or not is_tenant_schema(host):
            return None
        return member_by_pk(user_id)


def may_enter(user: User, host: str | None) -> bool:
    """Whether the account may enter the host whose scope is called `host`; asked in the identity scope."""
    if host == PLATFORM:
        return user.is_owner
    return host is not None and Membership.objects.filter(tenant__schema_name=host, user_id=user.pk).exists()
