"""A URL map with views that fail, for tests of how that is answered."""

from typing import NoReturn

from django.db import OperationalError
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from jobs.api.views.base import ApiView


class Crash(ApiView):
    """A bug."""

    permission_classes = (AllowAny,)

    def get(self, request: Request, job_id: str) -> NoReturn:
        """Fail with something that nobody may read."""
        raise RuntimeError("secret")


class NoDatabase(Crash):
    """A database that is away."""

    def get(self, request: Request, job_id: str) -> NoReturn:
        """Fail as Django does."""
        raise OperationalError("secret: connection to 10.0.0.5 refused")


urlpatterns = [
    path("api/v1/jobs/<job_id>/crash", Crash.as_view()),
    path("api/v1/jobs/<job_id>/database", NoDatabase.as_view()),
]
