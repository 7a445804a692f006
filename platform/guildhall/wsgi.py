"""Pages, REST and MCP: Django under WSGI threads (half the CPU per request of Django under ASGI)."""

import os

from django.core.wsgi import get_wsgi_application

from guildhall.kernel.loading import collector_at_rest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")

with collector_at_rest():
    application = get_wsgi_application()
