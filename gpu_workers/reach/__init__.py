"""What agents' tools reach outside of the sandbox: web addresses and the projects' databases, each checked first."""

from gpu_workers.reach.bounds import Reach, networks
from gpu_workers.reach.fetching import Fetched, FetchError, Fetching, fetch

__all__ = ["FetchError", "Fetched", "Fetching", "Reach", "fetch", "networks"]
