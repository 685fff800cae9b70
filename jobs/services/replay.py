"""The replay queue: cancel and revert calls that could not be made, kept until their service is back.

A queued call is replayed when its service's lease returns, when a probe succeeds, when another call to the service
succeeds, on its own slow schedule (`choreo_client.ladder.replay_at`), or on an operator's word. All that happens here
is that it falls due sooner: it is made, few at a time for each service, by `calls`.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import batched

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from jobs.domain.events import EventKind
from jobs.domain.states import CallStatus
from jobs.models import Call, CallAttempt, JobEvent, Service
from jobs.services import outbound
from jobs.services.accounts import allowed_hosts
from jobs.services.wake import wake_after_commit

FIRST_PROBE = 5.0
PROBE_GROWTH = 1.5
LONGEST_PROBE = 60.0
"""Seconds between two questions whether a service is back."""
_CALM = timedelta(seconds=10)
"""A call that has just failed is not replayed sooner because others succeed: it may be the one that is at fault."""
_PROBES_AT_ONCE = 8
_BATCH = 500


def replay_now(call_id: int, operator: str, now: datetime) -> bool:
    """An operator has a queued call made now; False, and nothing changed, when it is not in the queue."""
    return bool(_replay([call_id], operator, now))


def replay_service(service: Service, operator: str, now: datetime, since: datetime | None = None) -> int:
    """The same for all of a service's queued calls, or for those queued since then. Returns how many there were."""
    queued = Call.objects.filter(service=service, **({} if since is None else {"queued_at__gte": since}))
    return sum(_replay(batch, operator, now) for batch in _batches(queued))


def release(service_id: int, now: datetime) -> int:
    """The service is back, by its own word: all that waits for it falls due. Returns how many calls that are."""
    return _due_in_batches(Call.objects.filter(service=service_id), now)


def note_health(service_id: int, *, works: bool, now: datetime) -> None:
    """A call to the service was answered or not. One that fails is called one call at a time; the first answer ends
    that, and what is queued falls due."""
    if not works:
        Service.objects.filter(pk=service_id, failing_since=None).update(failing_since=now)
        return
    healed = Service.objects.filter(pk=service_id, failing_since__isnull=False)
    if healed.update(failing_since=None, probes_failed=0):
        just_tried = CallAttempt.objects.filter(call=OuterRef("pk"), started_at__gt=now - _CALM)
        _due_in_batches(Call.objects.filter(~Exists(just_tried), service=service_id), now)


def sweep_queue(now_fn: Callable[[], datetime]) -> int:
    """Ask the services for which calls are queued whether they are back, each after its own pause, a few at a time.

    A service with a probe URL is asked there; of another one the call that was replayed the least, and then the oldest,
    is made. Returns how many services were asked.
    """
    asked = [service for service in _to_ask(now_fn()) if _takes_turn(service, now_fn())]
    with ThreadPoolExecutor(_PROBES_AT_ONCE) as threads:
        answers = list(threads.map(_answers_probe, asked))
    for service, is_back in zip(asked, answers, strict=True):
        if is_back:
            release(service.pk, now_fn())
        elif not service.probe_url:
            _make_one_due(service, now_fn())
    return len(asked)


def _to_ask(now: datetime) -> list[Service]:
    waiting = Call.objects.filter(service=OuterRef("pk"), status=CallStatus.QUEUED, next_at__gt=now)
    return list(Service.objects.filter(Q(probe_at=None) | Q(probe_at__lte=now), Exists(waiting))[:100])


def _takes_turn(service: Service, now: datetime) -> bool:
    """One sweep alone asks a service; the next question comes after a pause that grows."""
    pause = min(LONGEST_PROBE, FIRST_PROBE * PROBE_GROWTH ** min(service.probes_failed, 20))
    same = Service.objects.filter(pk=service.pk, probe_at=service.probe_at)
    return bool(same.update(probe_at=now + timedelta(seconds=pause), probes_failed=F("probes_failed") + 1))


def _answers_probe(service: Service) -> bool:
    """In a thread of its own, which uses no database."""
    return bool(service.probe_url) and outbound.probe(service.probe_url, allowed=allowed_hosts(service))


def _make_one_due(service: Service, now: datetime) -> None:
    queued = Call.objects.filter(service=service, status=CallStatus.QUEUED, next_at__gt=now)
    first = queued.order_by("replays", "queued_at").values_list("pk", flat=True).first()
    if first is not None:
        _due_in_batches(Call.objects.filter(pk=first), now)


def _due_in_batches(calls: QuerySet[Call], now: datetime) -> int:
    """One transaction a batch: to die in between leaves the rest to the probes and to their own schedule."""
    made_due = 0
    for batch in _batches(calls):
        with transaction.atomic():
            made_due += len(_due_now(Call.objects.filter(pk__in=batch), now))
    return made_due


def _batches(calls: QuerySet[Call]) -> Iterator[tuple[int, ...]]:
    queued = calls.filter(status=CallStatus.QUEUED).order_by("pk").values_list("pk", flat=True)
    return iter(batched(list(queued), _BATCH))


def _replay(call_ids: Sequence[int], operator: str, now: datetime) -> int:
    """Make these calls due, and say in the history of their jobs who wanted it: an entry is added, and nothing of a job
    changed, so that no job needs to be locked."""
    with transaction.atomic():
        calls = _due_now(Call.objects.filter(pk__in=call_ids), now)
        entries = [
            JobEvent(
                job_id=call.job_id,
                task_id=call.task_id,
                kind=EventKind.OPERATOR_ACTION,
                actor=operator,
                at=now,
                data={"did": "replay now", "action": call.action},
            )
            for call in calls
        ]
        JobEvent.objects.bulk_create(entries)
    return len(calls)


def _due_now(calls: QuerySet[Call], now: datetime) -> list[Call]:
    """Make those that are queued due. Locked in one order, without those that a worker is just taking, so that two who
    do so at once cannot wait for each other."""
    queued = calls.filter(status=CallStatus.QUEUED).order_by("pk").select_for_update(skip_locked=True, of=("self",))
    due = list(queued)
    Call.objects.filter(pk__in=[call.pk for call in due], status=CallStatus.QUEUED).update(next_at=now)
    if due:
        wake_after_commit("jobs.sweep_calls")
    return due
