"""The agents that every tenant starts with."""

from gpu_workers.actions.agents import NewAgent, register_agent
from gpu_workers.models import Agent
from guildhall.kernel.actor import system_actor

SHIPPED = (
    ("quill", "Quill", "planner", "planner", "feather", "fast"),
    ("mason", "Mason", "developer", "dev", "hammer", "code"),
    ("alder", "Alder", "architect", "reviewer", "ruler-2", "smart"),
    ("wren", "Wren", "qa", "tester", "microscope", "smart"),
    ("rook", "Rook", "devops", "ops", "chess-rook", "smart"),
    ("heron", "Heron", "planner", "pm", "list-check", "smart"),
    ("finch", "Finch", "data", "dev", "needle", "code"),
)
"""Name, title, role, kind, icon, model route."""


def seed_agents(schema: str) -> None:
    """Register the shipped agents that are not there yet."""
    present = set(Agent.objects.values_list("name", flat=True))
    for name, title, role, kind, icon, route in SHIPPED:
        if name not in present:
            new = NewAgent(name, title, kind, role, route, icon=icon)
            register_agent(actor=system_actor("provisioner", schema), new=new)
