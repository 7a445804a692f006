"""Images built from a Containerfile of a workspace: in the sandbox, without network, on bases that the owner laid out."""

from gpu_workers.containers.bases import Base, BaseImages
from gpu_workers.containers.building import Build, BuildError, Built, Order, build, find_builder
from gpu_workers.containers.lines import RecipeRefused
from gpu_workers.containers.recipe import Recipe, read_recipe

__all__ = [
    "Base",
    "BaseImages",
    "Build",
    "BuildError",
    "Built",
    "Order",
    "Recipe",
    "RecipeRefused",
    "build",
    "find_builder",
    "read_recipe",
]
