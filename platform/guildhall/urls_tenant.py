"""Routes on a tenant's host."""

from django.urls import URLPattern, URLResolver, include, path

from tenants.web import urls as identity
from workflows.web import urls as work

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include([*identity.api_urlpatterns, *work.api_urlpatterns])),
    path("", include(identity.page_urlpatterns)),
]
