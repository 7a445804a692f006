"""The Celery application. Whatever defines or sends a job imports it, so that nothing goes to Celery's own default."""

from celery import Celery
from django.conf import settings

app = Celery("guildhall")
app.conf.update(settings.CELERY)
app.set_default()  # for every thread: Celery's notion of the current application is one thread's alone
