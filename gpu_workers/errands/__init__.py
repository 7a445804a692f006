"""Merges, reverts and pull requests to close: each repository's one after the other, no repository in another's way.

A consumer writes an errand down (`order`) and passes on at once; a job of the queue `merges` carries out what is due in one
repository (`serve`). Each kind is a module that says how it is done, and what is said where it comes to nothing.
"""

from gpu_workers.errands.lanes import order, serve, waiting_lanes

__all__ = ["order", "serve", "waiting_lanes"]
