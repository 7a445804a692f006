"""Sockets: the `live` process. Pages and REST are served by `guildhall.wsgi`."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

from guildhall.kernel.loading import collector_at_rest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")
with collector_at_rest():
    _django = get_asgi_application()

from guildhall.realtime.socket import (
    TenantSocket,
    register_authenticator,
    register_counter,
)
from tenants.web.rates import count_socket
from tenants.web.ws import connect_actor

register_authenticator(connect_actor)
register_counter(count_socket)
application = ProtocolTypeRouter(
    {"http": _django, "websocket": URLRouter([path("ws/portal/", TenantSocket.as_asgi())])}
)
