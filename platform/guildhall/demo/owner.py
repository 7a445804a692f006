"""The platform's first owner."""

from guildhall.demo.seeding import Person, new_password
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.tenancy import identity_scope
from tenants.models import User

EMAIL = "owner@guildhall.example"


def ensure_owner(password: str | None) -> Person:
    """The owner with `password`; one is made (or given a new password) when `password` is None or does not fit."""
    with identity_scope():
        user = User.objects.filter(email=EMAIL).first()
        if user is None:
            password = password or new_password()
            user = User.objects.create_user(EMAIL, "Platform owner", password, is_owner=True)
        elif password is None or not user.check_password(password):
            password = new_password()
            user.set_password(password)
            user.save(update_fields=["password"])
    actor = Actor(kind=ActorKind.OWNER, id=user.public_id, name=user.name, tenant=PLATFORM, roles=frozenset({"owner"}))
    return Person(actor, EMAIL, password)
