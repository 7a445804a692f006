"""Sockets: the `live` process. Pages and REST are served by `guildhall.wsgi`."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")
_django = get_asgi_application()

from guildhall.realtime.socket import (  # noqa: E402  after Django is set up
    TenantSocket,
    register_authenticator,
    register_counter,
)
from tenants.web.rates import count_socket  # noqa: E402
from tenants.web.ws import connect_actor  # noqa: E402

register_authenticator(connect_actor)
register_counter(count_socket)
application = ProtocolTypeRouter(
    {"http": _django, "websocket": URLRouter([path("ws/portal/", TenantSocket.as_asgi())])}
)
