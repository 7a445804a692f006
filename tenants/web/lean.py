"""Django's middleware, less what a request does not need.

A request of the API with an `Authorization` header has no session, no session's user and no messages: its header alone
decides who asks. Pages and everything else go through all of it.
"""

from collections.abc import Awaitable
from typing import Any

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase

API = "/api/v1/"
Answer = HttpResponseBase | Awaitable[HttpResponseBase]


def is_by_header(request: HttpRequest) -> bool:
    """Whether a request's header alone says who asks."""
    return "HTTP_AUTHORIZATION" in request.META and request.path_info.startswith(API)


class Sessions(SessionMiddleware):
    def __call__(self, request: HttpRequest) -> Answer:
        return self.get_response(request) if is_by_header(request) else super().__call__(request)


class Authentication(AuthenticationMiddleware):
    def __call__(self, request: HttpRequest) -> Answer:
        return self.get_response(request) if is_by_header(request) else super().__call__(request)


class Messages(MessageMiddleware):
    def __call__(self, request: HttpRequest) -> Answer:
        return self.get_response(request) if is_by_header(request) else super().__call__(request)


class ContentSecurityPolicy(CSPMiddleware):
    """The same policy on every answer, put together once; no view has one of its own."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._policy = build_policy()
        self._excluded = tuple(settings.CONTENT_SECURITY_POLICY["EXCLUDE_URL_PREFIXES"])

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if HEADER not in response and not request.path_info.startswith(self._excluded):
            response[HEADER] = self._policy
        return response
