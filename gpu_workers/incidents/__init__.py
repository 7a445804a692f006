"""Triage of incidents: an Ops agent reads what people brought, names the failed part and proposes a remedy."""
