"""Applying what a run planned, outside of its workspace: what can be applied, to what, and by what. People allow each one."""
