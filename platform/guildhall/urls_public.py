"""Routes on the platform's own host."""

from django.urls import URLPattern, URLResolver, include, path

from tenants.web import urls as identity

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(identity.public_urlpatterns)),
]
