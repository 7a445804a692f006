"""The portal as it is served, but for passwords: else it would stretch anew that of each member who comes in."""

from guildhall.wsgi import application
from tests.support.passwords import stretch_little

__all__ = ["application"]

stretch_little()
