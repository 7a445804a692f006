"""Putting a policy into force."""

import hashlib

from django.db.models import Max

from governance.events import PolicyActivated
from governance.models import Policy
from governance.policies.document_text import PolicyError, parse_policy
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid


@governed("policy.activate", lock=None)
def activate_policy(*, actor: Actor, text: str) -> int:
    """Make the YAML policy `text` the active version and return its number.

    Raises `Invalid` with one message per line that is wrong, `Conflict` when two people do this at the same moment.
    """
    try:
        document = parse_policy(text)
    except PolicyError as error:
        messages = [f"line {line}: {message}" for line, message in error.problems]
        raise Invalid("This is not a policy.", fields={"text": messages}) from None
    before = Policy.objects.select_for_update().filter(active=True).first()
    latest = Policy.objects.aggregate(latest=Max("version"))["latest"] or 0
    if before is None and latest:
        raise Conflict("The policy is being changed at this moment; try again.")
    Policy.objects.filter(active=True).update(active=False)
    policy = Policy.objects.create(
        version=latest + 1,
        text=text,
        document=document.model_dump(mode="json"),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        active=True,
        made_by=actor.ref,
    )
    record(
        PolicyActivated(subject=policy.ref, number=policy.version, digest=policy.digest),
        actor=actor,
        before={"version": before.version} if before else None,
        after={"version": policy.version},
    )
    return policy.version
