"""The API's description, as it is served."""

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView


@cache
def _description() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


class Once(SchemaGenerator):
    """Describes everything to everybody, once in the life of a process."""

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        return _description()


class Description(SpectacularAPIView):
    """Anybody may ask for it, and to make it takes half a second of processor time."""

    generator_class = Once
