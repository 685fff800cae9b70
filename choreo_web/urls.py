"""The URL map: the operator UI, and the API of each app."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("jobs.api.urls")),
    path("", include("escalation.api.urls")),
]
