"""Routes on a tenant's host."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularSwaggerView

from governance.web import page_urls as governance_pages
from governance.web import urls as governance
from gpu_workers.web import page_urls as worker_pages
from gpu_workers.web import urls as workers
from guildhall import health
from guildhall.api.description import Description
from guildhall.api.views import NoSuchRoute
from guildhall.portal import urls as portal
from guildhall.streams.web import urls as streams
from tenants.web import urls as identity
from workflows.web import page_urls as work_pages
from workflows.web import urls as work

API = [
    *identity.api_urlpatterns,
    *work.api_urlpatterns,
    *governance.api_urlpatterns,
    *workers.api_urlpatterns,
    *streams.api_urlpatterns,
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("health", health.live, name="health"),
    path("readiness", health.ready, name="readiness"),
    path("api/v1/", include(API)),
    path("api/schema/", Description.as_view(), name="api-schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    *streams.catalogue_urlpatterns,
    re_path(r"^api/", NoSuchRoute.as_view(), name="api-missing"),
    path("", include(identity.page_urlpatterns)),
    path("", include(portal)),
    path("", include(work_pages)),
    path("", include(governance_pages)),
    path("", include(worker_pages)),
    path("", include(streams.page_urlpatterns)),
]
handler404 = "guildhall.portal.views.not_found"
