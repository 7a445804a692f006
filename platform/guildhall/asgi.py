"""Sockets: the `live` process. Pages and REST are served by `guildhall.wsgi`."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")
_django = get_asgi_application()

from guildhall.realtime.socket import TenantSocket, register_authenticator  # noqa: E402  after Django is set up
from tenants.web.ws import connect_actor  # noqa: E402

register_authenticator(connect_actor)
application = ProtocolTypeRouter(
    {"http": _django, "websocket": URLRouter([path("ws/portal/", TenantSocket.as_asgi())])}
)
