"""Calls that are a kind of question of their own: those that apply plans, and those that use a secret which is asked about."""

from collections.abc import Mapping
from typing import Any

from governance.selectors.policy import active_policy
from gpu_workers.applying.appliers import APPLIERS
from gpu_workers.tools.commands import ASK_HUMAN, QUESTION_CHARS

SECRETS: Mapping[str, str] = {"query_db": "database", "update_issue": "tracker"}
"""Tool -> the secret that its call uses, by the policy's name for it."""
KIND = "agent_action"
SECRET_KIND = "secret_access"  # noqa: S105
DEPLOYMENT = "deployment"
KINDS = (KIND, SECRET_KIND, DEPLOYMENT)
"""Kinds of approvals that are about one call of an agent."""


def secret_asked(tool: str) -> str:
    """The secret that a call of `tool` uses and the policy in force asks about; "" for every other call."""
    secret = SECRETS.get(tool, "")
    return secret if secret in active_policy().document.secrets.ask else ""


def kind_of(tool: str) -> str:
    """The kind of approval that a question about a call of `tool` is, by the policy in force."""
    if tool in APPLIERS:
        return DEPLOYMENT
    return SECRET_KIND if secret_asked(tool) else KIND


def words_asked(tool: str, arguments: Mapping[str, Any]) -> str:
    """What a call asks people in words; "" of a call that asks none, or not as it has to."""
    least, most = QUESTION_CHARS
    text = arguments.get("question") if tool == ASK_HUMAN and len(arguments) == 1 else None
    return text.strip() if isinstance(text, str) and len(text.strip()) >= least and len(text) <= most else ""
