"""Is this process alive, and can it do its work?"""

from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from choreo_web.celery import app
from choreo_web.sweep_marks import EVERY_SECONDS
from jobs.api import catalogue
from jobs.api.problems import problem
from jobs.services import sweeps
from jobs.services.clock import database_now

NOT_READY = catalogue.add(
    "not-ready",
    503,
    "Choreo is not ready",
    "A part of Choreo does not work now: the members of `checks` that are not ok. Deadlines are kept in the database, "
    "and what falls due meanwhile is done as soon as the sweeps run again.",
)
_RETRY_AFTER = 5
_BROKER_SECONDS = 1.0
_SLACK = timedelta(seconds=15)
"""How much later than planned a sweep may end before it counts as late: a long batch is no fault."""

_RARE_SECONDS = 10.0
"""A sweep that is planned more rarely than this need not have run yet when the process starts."""


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: this process answers. Nothing else is asked, so that a sick database restarts no web server."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: 200 when the database and the broker answer and every sweep ran of late, else 503 that says what."""
    checks = {"database": "ok", "broker": _broker(), "sweeps": "ok"}
    ages: dict[str, float] = {}
    try:
        ages = sweeps.ages(database_now())
    except (DatabaseError, InterfaceError):
        checks |= {"database": "does not answer", "sweeps": "unknown"}
    else:
        if late := late_sweeps(ages):
            checks["sweeps"] = f"late: {', '.join(late)}"
    unwell = [name for name, state in checks.items() if state != "ok"]
    rounded = {name: round(age, 1) for name, age in ages.items()}
    if not unwell:
        return JsonResponse({"status": "ok", "checks": checks, "sweepAgeSeconds": rounded})
    headers = {"Retry-After": str(_RETRY_AFTER)}
    detail = f"Not well: {', '.join(unwell)}."
    return problem(request, NOT_READY, detail, headers=headers, checks=checks, sweepAgeSeconds=rounded)


def late_sweeps(ages: dict[str, float]) -> list[str]:
    """The scheduled sweeps whose last end is too long ago, or that never ended, by their Celery task's names."""
    late = []
    for entry in app.conf.beat_schedule.values():
        name, period = str(entry["task"]), float(entry["schedule"])
        limit = 2 * period + EVERY_SECONDS + _SLACK.total_seconds()
        age = ages.get(name)
        if (age is None and period <= _RARE_SECONDS) or (age is not None and age > limit):
            late.append(name)
    return sorted(late)


def _broker() -> str:
    if not settings.REDIS_URL:
        return "ok"  # in this process: it answers as long as the process does
    limits = {"socket_timeout": _BROKER_SECONDS, "socket_connect_timeout": _BROKER_SECONDS}
    once = Retry(NoBackoff(), 0)  # redis-py tries four times by default: whoever asks here asks again anyway
    try:
        with redis.Redis.from_url(settings.REDIS_URL, retry=once, **limits) as client:
            client.ping()
    except (redis.RedisError, OSError):
        return "does not answer"
    return "ok"
