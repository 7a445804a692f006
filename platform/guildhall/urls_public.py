"""Routes on the platform's own host."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from guildhall import health
from guildhall.fleet.metrics import metrics
from guildhall.owner import pages
from tenants.web import urls as identity

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.front, name="front"),
    path("health", health.live, name="health"),
    path("readiness", health.ready, name="readiness"),
    path("metrics", metrics, name="metrics"),
    path("", include(identity.public_urlpatterns)),
    path("admin/", admin.site.urls),
]
handler404 = "guildhall.owner.pages.not_found"
