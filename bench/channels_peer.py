"""The peer of `fanout`: a consumer as Channels' documentation has it, over RedisPubSubChannelLayer. No tenant, no permission."""

import os

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")
_django = get_asgi_application()
GROUP = "bench"


class Page(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Joins the group when it is spoken to and passes on what the group is sent."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.send('{"position": 0}')

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def told(self, event: dict[str, str]) -> None:
        await self.send(event["text"])


application = ProtocolTypeRouter({"http": _django, "websocket": Page.as_asgi()})
