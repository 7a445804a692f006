"""Issue trackers of projects: GitHub Issues and Linear have the same verbs. What they say is data."""

from gpu_workers.trackers.protocol import Issue, Tracker, Update

__all__ = ["Issue", "Tracker", "Update"]
