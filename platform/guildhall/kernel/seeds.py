"""What every new tenant starts with: each room registers its own, and provisioning runs them in the tenant's scope."""

from collections.abc import Callable

Seed = Callable[[str], None]
_seeds: list[Seed] = []


def register_seed(seed: Seed) -> Seed:
    """Have `seed(schema)` run in every new tenant, in registration order. It must be safe to run again."""
    if seed not in _seeds:
        _seeds.append(seed)
    return seed


def run_seeds(schema: str) -> None:
    """Run all seeds; the caller has entered the tenant's scope and opened no transaction."""
    for seed in _seeds:
        seed(schema)
