"""How far the jobs of this process are, in a word each, for whoever looks at the worker. Kept in memory and nowhere else."""

from celery import current_task

_said: dict[str, str] = {}


def say(word: str) -> None:
    """Where the job that this thread is at stands, such as `executor`. Outside of a job it does nothing."""
    if current_task and current_task.request.id:
        _said[current_task.request.id] = word


def said(job_id: str) -> str:
    """What the job of that message said last; "" when nothing, or in another process."""
    return _said.get(job_id, "")


def forget() -> None:
    """The job that this thread is at has ended."""
    if current_task and current_task.request.id:
        _said.pop(current_task.request.id, None)
