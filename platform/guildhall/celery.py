"""What a worker loads: `celery -A guildhall.celery worker`."""

from guildhall.kernel.broker import app
from guildhall.wsgi import application as _configured  # noqa: F401  Django is set up once, here

__all__ = ["app"]

app.autodiscover_tasks()
