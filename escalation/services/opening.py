"""From history entries that call for help to incidents, exactly once.

An entry is done when it has its receipt (`IncidentCause`, one to one with the entry), written in the transaction that
opens or joins the incident. Its ID tells nothing: IDs are given out at the insert and appear at the commit, so a lower
one may turn up after a higher one was seen, and "greater than the last one seen" would lose it. So each sweep asks for
entries *without a receipt*; for this not to cost more with every entry there ever was, it asks above a watermark:

- Every ten minutes a sweep asks from zero on, and only then, with all that it found done, does the mark move.
- It moves to the newest of the entries that are over an hour old. All of these have their receipts, for that sweep has
  just seen to it. An entry that turns up below the mark later was inserted before the marked one, so its transaction
  was open for the hour; none in Choreo is open for more than some seconds.
- Should it happen all the same, or a clock jump, the next sweep from zero finds it: late, but not lost.
- An engine that was down finds its old mark, and everything since.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from escalation.domain import wording
from escalation.domain.incidents import IncidentStatus, NoteKind, Severity, is_worse, needs_human, severity_of
from escalation.models import Incident, IncidentCause, Watermark
from escalation.selectors import what_happened
from escalation.services.defaults import default_plan
from escalation.services.escalating import call_due_steps
from escalation.services.paging import paged_people
from escalation.services.transitions import CHOREO, begin_again, change, note
from jobs.domain.events import Cause
from jobs.domain.states import OnTaskFailure
from jobs.models import JobEvent

log = structlog.get_logger(__name__)

AUDIT_EVERY = timedelta(minutes=10)
TRAIL = timedelta(hours=1)
_BATCH = 100
_MARK = "incidents"


def open_incidents(now: datetime, *, seconds: float = 10.0) -> int:
    """Take in every history entry that calls for help and has no receipt; how many. Stops after about `seconds`.

    An entry that fails is left for the next sweep, and holds up no other.
    """
    until = time.monotonic() + seconds
    mark, _ = Watermark.objects.get_or_create(name=_MARK, defaults={"moved_at": now - 2 * AUDIT_EVERY})
    audit = abs(now - mark.moved_at) >= AUDIT_EVERY
    done = 0
    complete = True
    for event in _without_receipt(0 if audit else mark.event_id):
        if time.monotonic() > until:
            return done
        taken = _take_in_safely(event, now)
        done += taken is True
        complete = complete and taken is not None
    if audit and complete:
        _move_mark(now)
    return done


def calling_for_help() -> QuerySet[JobEvent]:
    """History entries that bear a cause, in the words of the index `event_calls_for_help`."""
    return JobEvent.objects.exclude(cause="")


def _without_receipt(after: int) -> Iterator[JobEvent]:
    """Those above an ID, oldest first, in batches: what fails is not asked for again within one sweep."""
    receipt = IncidentCause.objects.filter(event=OuterRef("pk"))
    while batch := list(
        calling_for_help().filter(~Exists(receipt), id__gt=after).select_related("job", "task").order_by("id")[:_BATCH]
    ):
        yield from batch
        after = batch[-1].pk


def _move_mark(now: datetime) -> None:
    old = calling_for_help().filter(at__lt=now - TRAIL).order_by("-id").values_list("id", flat=True).first()
    Watermark.objects.filter(name=_MARK).update(event_id=old or 0, moved_at=now)


def _take_in_safely(event: JobEvent, now: datetime) -> bool | None:
    """True when it was taken in, False when another sweep did so first, None when it failed."""
    try:
        with transaction.atomic():
            _take_in(event, now)
        return True
    except IntegrityError:
        if IncidentCause.objects.filter(event=event).exists():
            return False
        log.exception("call for help not taken in", event_id=event.pk)
    except Exception:
        log.exception("call for help not taken in", event_id=event.pk)
    return None


def _take_in(event: JobEvent, now: datetime) -> None:
    """Open an incident for it, or join the one that is not resolved. Raises IntegrityError when it has a receipt."""
    cause = Cause(event.cause)
    incident, opened = _unresolved_incident(event, cause, now)
    IncidentCause.objects.create(incident=incident, event=event, cause=cause)
    if opened:
        note(incident, NoteKind.OPENED, CHOREO, now, incident.summary)
        call_due_steps(incident, now)
    else:
        _join(incident, event, cause, now)


def _unresolved_incident(event: JobEvent, cause: Cause, now: datetime) -> tuple[Incident, bool]:
    """The job's one unresolved incident, locked, and whether it was made for this; the partial unique index decides
    between two that open one at the same moment."""
    rows = Incident.objects.select_for_update(of=("self",), no_key=True).select_related("job")
    unresolved = rows.filter(job=event.job).exclude(status=IncidentStatus.RESOLVED)
    if incident := unresolved.first():
        return incident, False
    new = _new_incident(event, cause, now)
    Incident.objects.bulk_create([new], ignore_conflicts=True)
    incident = unresolved.get()
    return incident, incident.pk == new.pk


def _new_incident(event: JobEvent, cause: Cause, now: datetime) -> Incident:
    return Incident(
        job=event.job,
        severity=severity_of(cause),
        cause=cause,
        summary=_summary(event),
        needs_human=needs_human(cause, OnTaskFailure(event.job.on_task_failure)),
        opened_at=now,
        last_cause_at=event.at,
        policy=default_plan().to_json(),
        next_step_at=now,
    )


def _join(incident: Incident, event: JobEvent, cause: Cause, now: datetime) -> None:
    stays = incident.needs_human or needs_human(cause, OnTaskFailure(event.job.on_task_failure))
    change(incident, needs_human=stays, last_cause_at=max(incident.last_cause_at, event.at))
    if is_worse(severity_of(cause), Severity(incident.severity)):
        _worsen(incident, event, cause, now)
    else:
        note(incident, NoteKind.JOINED, CHOREO, now, what_happened(event))


def _worsen(incident: Incident, event: JobEvent, cause: Cause, now: datetime) -> None:
    """It is graver than what was told: tell it to all who know, and call anew, whoever had the lesser one in hand."""
    begin_again(incident, now)
    both = f"{incident.summary}, {what_happened(event)}"
    change(incident, severity=severity_of(cause), cause=cause, summary=both[:300])
    note(incident, NoteKind.WORSE, CHOREO, now, incident.summary)
    call_due_steps(incident, now, worse_for=paged_people(incident))


def _summary(event: JobEvent) -> str:
    return wording.summary(event.job.name, event.job_id, what_happened(event))[:300]
