"""An approval of a policy is of the draft as it stands: what was changed since it was asked cannot be approved."""

from governance.models import Approval, PolicyDraft
from guildhall.kernel.actions import ActionContext
from guildhall.kernel.errors import Conflict


def refuse_stale_policy(context: ActionContext) -> None:
    """Registered with the kernel: raises `Conflict` when a policy change is approved whose draft or base is another by now."""
    asked = context.target
    approves = context.name == "approval.decide" and context.arguments.get("decision") == "approve"
    if not approves or not isinstance(asked, Approval) or asked.kind != "policy_change" or asked.state != "pending":
        return
    draft = PolicyDraft.objects.filter(pk=int(asked.binding.get("draft", 0))).first()
    bound = (asked.binding.get("text_digest"), asked.binding.get("base_version"))
    if draft is None or draft.state != "asked" or (draft.digest, draft.base_version) != bound:
        raise Conflict("The draft was changed since this was asked. It has to be asked again.")
