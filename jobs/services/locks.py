"""Every lock of this app, in one place.

The order is always job, then what belongs to it: whoever changes a task, a call or the state of a job holds the job's
row first, so that no two writers of one job can meet in another order. SQLite has one writer at a time anyway
(IMMEDIATE transactions) and ignores FOR UPDATE.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet

from jobs.domain.errors import NotFound
from jobs.domain.states import CALL_WAITS, CallStatus, JobStatus
from jobs.models import Call, Job

_MOST_COLLISIONS = 20


def find_job(job_id: UUID) -> Job | None:
    """The job, locked until the transaction ends, or None."""
    return Job.objects.select_for_update(of=("self",)).select_related("owner").filter(pk=job_id).first()


def lock_job(job_id: UUID) -> Job:
    """The job, locked until the transaction ends. Raises NotFound."""
    if (job := find_job(job_id)) is None:
        raise NotFound("There is no job of this ID.")
    return job


def next_overdue_job(now: datetime, skip: Collection[UUID]) -> Job | None:
    """The longest overdue job that nobody else is at, locked. `skip` holds those that failed in this sweep."""
    return (
        Job.objects.select_for_update(skip_locked=True)
        .filter(status=JobStatus.WORKING, deadline_at__lte=now)
        .exclude(pk__in=skip)
        .order_by("deadline_at")
        .first()
    )


def claim_call(now: datetime, lease: timedelta) -> Call | None:
    """The call that is due the longest and that nobody else is at, made this caller's own until `now + lease`; None
    if none is due. With its task and service.

    Due is what is pending or queued at or after its time, and what a worker left running that died. A service gets at
    most so many calls at once as it has slots, whoever makes them. The call's row alone is locked, and nothing after
    it in this transaction may lock a job: this is the one place that begins with the call.
    """
    free = Call.objects.select_for_update(skip_locked=True, of=("self",)).select_related("task__service")
    lost = lost_calls(now, free).order_by("next_at", "id").first()
    if lost is not None:
        return _take(lost, lost.slot, now + lease)
    for _ in range(_MOST_COLLISIONS):
        call = due_calls(now, free).order_by("next_at", "id").first()
        if call is None:
            return None
        slot = _free_slot(call)
        if slot is None:  # others took what was left of its slots a moment ago
            continue
        try:
            with transaction.atomic():
                return _take(call, slot, now + lease)
        except IntegrityError:  # another worker took this slot a moment ago
            continue
    return None


def lost_calls(now: datetime, calls: QuerySet[Call]) -> QuerySet[Call]:
    """Those of `calls` that a worker took and did not bring to an end: it died."""
    return calls.filter(status=CallStatus.RUNNING, lease_until__lte=now)


def due_calls(now: datetime, calls: QuerySet[Call]) -> QuerySet[Call]:
    """Those of `calls` that wait, are due, and whose service has a slot left: one that is failing has only one."""
    running = Call.objects.filter(status=CallStatus.RUNNING).values_list("service", "service__failing_since")
    busy = [
        service
        for service, failing_since, number in running.annotate(number=Count("id")).order_by()
        if number >= _slots(failing_since)
    ]
    return calls.filter(status__in=CALL_WAITS, next_at__lte=now).exclude(service__in=busy)


def _slots(failing_since: datetime | None) -> int:
    return 1 if failing_since else int(settings.CHOREO_CALLS_PER_SERVICE)


def _free_slot(call: Call) -> int | None:
    """The lowest slot of the call's service that nobody has, None if there is none. Two that find the same one cannot
    both have it, so that there are never more calls at once than slots."""
    running = Call.objects.filter(service=call.service_id, status=CallStatus.RUNNING)
    taken = set(running.values_list("slot", flat=True))
    return next((slot for slot in range(_slots(call.task.service.failing_since)) if slot not in taken), None)


def _take(call: Call, slot: int | None, lease_until: datetime) -> Call:
    call.status, call.slot, call.lease_until, call.lease_token = CallStatus.RUNNING, slot, lease_until, uuid4()
    call.save(update_fields=["status", "slot", "lease_until", "lease_token"])
    return call
