"""The URL map: the operator UI, the API of each app, and health."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from choreo_web.health import healthz, readyz

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", healthz),
    path("readyz", readyz),
    path("admin/", admin.site.urls),
    path("", include("jobs.api.urls")),
    path("", include("escalation.api.urls")),
]

handler500 = "choreo_web.error_pages.broken"
