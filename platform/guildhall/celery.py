"""The Celery application: `celery -A guildhall.celery worker`."""

from celery import Celery
from django.conf import settings

from guildhall.wsgi import application as _configured  # noqa: F401  Django is set up once, here

app = Celery("guildhall")
app.conf.update(settings.CELERY)
app.autodiscover_tasks()
