"""People, what they may do in which tenant, and what they prove it with."""

import secrets
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.db.models.functions import Lower, Now

from tenants.models.tenant import Tenant
from tenants.roles import ROLES, SCOPES


def public_id() -> str:
    """An id of a person that says nothing and may be shown (12 characters)."""
    return secrets.token_hex(6)


def _tenant_key(**kwargs: Any) -> Any:
    """A shared table's tenant column: the schema name, which row-level security compares with `current_user`."""
    return models.ForeignKey(Tenant, to_field="schema_name", db_column="tenant", on_delete=models.CASCADE, **kwargs)


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, name: str, password: str | None = None, *, is_owner: bool = False) -> "User":
        """A person who can sign in with `email` (lower-cased); without a password, only after setting one."""
        user = self.model(email=email.strip().lower(), name=name.strip(), is_owner=is_owner)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person. What they may do is in their memberships; `is_owner` makes them an owner of the platform."""

    public_id = models.CharField(max_length=12, unique=True, default=public_id, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    is_owner = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["name"]

    class Meta:
        ordering: ClassVar = ["email"]
        constraints: ClassVar = [models.UniqueConstraint(Lower("email"), name="user_email_once")]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """Django admin's word for who may enter it."""
        return self.is_owner

    @property
    def ref(self) -> str:
        return f"person:{self.public_id}"

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Owners hold every admin permission; nobody else holds any."""
        return self.is_active and self.is_owner

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_owner


class Membership(models.Model):
    """A person's roles in one tenant."""

    tenant = _tenant_key(related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    roles = ArrayField(models.CharField(max_length=20))
    client = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once"),
            models.CheckConstraint(
                name="membership_roles_known",
                condition=models.Q(roles__contained_by=sorted(ROLES)) & ~models.Q(roles=[]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.tenant_id}"

    @property
    def ref(self) -> str:
        return f"member:{self.pk}"


class Comember(models.Model):
    """What a tenant may see of its members: a view filtered by the database role, without address or password."""

    user = models.OneToOneField(
        User, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    public_id = models.CharField(max_length=12)
    name = models.CharField(max_length=120)
    roles = ArrayField(models.CharField(max_length=20))
    client = models.CharField(max_length=60)
    tenant_status = models.CharField(max_length=16)
    status_reason = models.CharField(max_length=300)

    class Meta:
        managed = False
        db_table = "comember"

    def __str__(self) -> str:
        return self.name


class Invitation(models.Model):
    """An offer of roles to an e-mail address; the link works once and expires."""

    tenant = _tenant_key(related_name="+")
    email = models.EmailField()
    roles = ArrayField(models.CharField(max_length=20))
    client = models.CharField(max_length=60, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.CharField(max_length=80)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.email

    @property
    def ref(self) -> str:
        return f"invitation:{self.pk}"


class ApiKey(models.Model):
    """A key of a member: shown once, stored as a SHA-256 hash, scoped, expiring, revocable."""

    tenant = _tenant_key(related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    key_hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=20))
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="api_key_scopes_known", condition=models.Q(scopes__contained_by=sorted(SCOPES))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def ref(self) -> str:
        return f"api_key:{self.pk}"


class RefreshToken(models.Model):
    """One use of a rotating refresh token; using one twice ends its whole family."""

    tenant = _tenant_key(related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    family = models.UUIDField(db_index=True)
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.family}"


class HandOff(models.Model):
    """A sign-in on its way from one organisation's host to another's: one minute, one use, one browser.

    `session` is the stored key of the sign-in that asked; `challenge` the SHA-256 of what the browser keeps in a cookie of
    the host it goes to. Only sign-in's own role touches these rows.
    """

    token_hash = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(
        Tenant, to_field="schema_name", db_column="target", on_delete=models.CASCADE, related_name="+"
    )
    session = models.CharField(max_length=40)
    challenge = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user_id} to {self.target_id}"


class PasswordReset(models.Model):
    """A link that sets a new password, once, sent to the account's address. Hashed like every other secret."""

    token_hash = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.user_id}"


class SessionManager(BaseSessionManager["Session"]):
    use_in_migrations = True


class Session(AbstractBaseSession):
    """A signed-in browser, of one tenant's host or of the platform's; `tenant` is the database role it belongs to."""

    tenant = models.CharField(max_length=63, db_default=models.Func(function="current_user", template="%(function)s"))
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[SessionManager] = SessionManager()

    def __str__(self) -> str:
        return self.session_key[:6]

    @classmethod
    def get_session_store_class(cls) -> Any:
        from tenants.auth.sessions import SessionStore

        return SessionStore
