"""References in paths: `SHOP-142`, `SHOP-142.3`, `SHOP`. Anything else is no route."""

from django.urls import register_converter

PROJECT = "[A-Z][A-Z0-9]{1,9}"
STORY = f"{PROJECT}-[0-9]{{1,9}}"
TASK = rf"{STORY}\.[0-9]{{1,6}}"


class ProjectKey:
    regex = PROJECT

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class StoryReference(ProjectKey):
    regex = STORY


class TaskReference(ProjectKey):
    regex = TASK


register_converter(ProjectKey, "project")
register_converter(StoryReference, "story")
register_converter(TaskReference, "task")
