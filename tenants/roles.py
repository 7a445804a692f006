"""The closed lists of roles and of API key scopes."""

ADMIN = "admin"
CLIENT = "client"
ROLES = frozenset({ADMIN, "product_owner", "architect", "developer", "qa", "devops", "data", "viewer", CLIENT})
"""What a member of a tenant can hold."""

AGENT_ROLES = frozenset({"architect", "developer", "qa", "devops", "data", "planner"})
"""What an agent can hold, exactly one of them."""

SCOPES = frozenset({"api:read", "api:write", "llm", "mcp", "chatops"})
"""What an API key can be allowed."""
