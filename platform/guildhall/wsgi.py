"""Pages, REST and MCP: Django under WSGI threads (half the CPU per request of Django under ASGI)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")

application = get_wsgi_application()
