"""A job's shared state: one JSON object, replaced or merge-patched, every revision kept."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from jobs.domain import vocabulary
from jobs.domain.errors import FieldError, Invalid, JobTerminal, PreconditionRequired
from jobs.domain.events import EventKind
from jobs.domain.merge_patch import merge_patch
from jobs.domain.preconditions import Precondition, etag
from jobs.domain.states import JOB_TERMINAL
from jobs.models import Job, Service, StateRevision, VocabularyTerm
from jobs.services import history
from jobs.services.access import require_participant
from jobs.services.locks import lock_job
from jobs.services.transitions import touch_job


@dataclass(frozen=True)
class CurrentState:
    """The state as it stands: its JSON text exactly as written, its revision (0: nobody wrote yet), and when."""

    body: str
    revision: int
    created_at: datetime

    @property
    def etag(self) -> str:
        """The strong entity tag, quotes included."""
        return etag("s", self.revision)


def current_state(job: Job) -> CurrentState:
    """The newest revision; `{}` from the job's creation on."""
    newest = StateRevision.objects.filter(job=job).order_by("-revision").first()
    if newest is None:
        return CurrentState("{}", 0, job.created_at)
    return CurrentState(newest.body, newest.revision, newest.created_at)


def put_state(
    job_id: UUID,
    service: Service,
    text: str,
    value: dict[str, Any],
    *,
    precondition: Precondition,
    now: datetime,
) -> CurrentState:
    """Replace the state by `text`, whose parsed form is `value`.

    Raises NotFound, NotAllowed, Invalid, PreconditionRequired, PreconditionFailed or JobTerminal.
    """
    with transaction.atomic():
        job, current = _open(job_id, service)
        _check_fit(value)
        _check_precondition(precondition, current)
        return _store(job, service, current, text, now)


def patch_state(
    job_id: UUID, service: Service, patch: dict[str, Any], *, precondition: Precondition, now: datetime
) -> CurrentState:
    """Merge-patch the state (RFC 7396); a patch that changes nothing makes no revision. Raises like `put_state`."""
    with transaction.atomic():
        job, current = _open(job_id, service)
        _check_precondition(precondition, current)
        old = json.loads(current.body)
        new = merge_patch(old, patch)
        assert isinstance(new, dict)  # both are objects, so the result is one
        _check_fit(new)
        text = current.body if new == old else json.dumps(new, ensure_ascii=False, separators=(",", ":"))
        return _store(job, service, current, text, now)


def _open(job_id: UUID, service: Service) -> tuple[Job, CurrentState]:
    job = lock_job(job_id)
    require_participant(job, service)
    return job, current_state(job)


def _check_precondition(precondition: Precondition, current: CurrentState) -> None:
    if precondition.if_match is None:
        raise PreconditionRequired(
            "Read the shared state, change what you read, and write it again with the ETag of your read in If-Match."
        )
    precondition.check(current.etag)


def _check_fit(value: dict[str, Any]) -> None:
    terms = VocabularyTerm.objects.filter(property__in=list(value)[:1000]).values_list("property", "schema")
    faults = vocabulary.faults(value, dict(terms), open_vocabulary=settings.CHOREO_VOCABULARY == "open")
    if faults:
        raise Invalid("The shared state does not fit the vocabulary.", errors=faults)
    if len(json.dumps(value)) > settings.CHOREO_MAX_BODY_BYTES:
        raise Invalid("The shared state has grown too large.", errors=[FieldError("", "Write less into it.")])


def _store(job: Job, service: Service, current: CurrentState, text: str, now: datetime) -> CurrentState:
    if job.status in JOB_TERMINAL:
        raise JobTerminal(f"The job is {job.status}; its shared state is final.", jobStatus=job.status)
    if text == current.body:
        return current
    revision = StateRevision.objects.create(
        job=job, revision=current.revision + 1, body=text, service=service, created_at=now
    )
    touch_job(job, now)
    history.record(job, EventKind.STATE_WRITTEN, actor=service.name, now=now, revision=revision.revision)
    return CurrentState(text, revision.revision, now)
