"""One life of Choreo, in virtual time: the services' reports, then sweep after sweep until nothing is left to do.

Everything is driven through the public functions that Celery's tasks call. The broker is away all the time: every
wake-up is lost, and the rows alone have to see to it that everything is done.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

from celery import Celery
from django.apps import apps
from django.core.management.color import no_style
from django.db import connection

from escalation.domain.delivery import Channel, DeliveryStatus
from escalation.models import Contact, Incident, IncidentCause, Notification, Policy
from escalation.services import deliveries
from escalation.services.opening import calling_for_help
from escalation.services.sweeps import sweep_incidents
from jobs.domain.errors import IllegalTransition, JobCancelled, StatusRegression
from jobs.domain.events import EventKind
from jobs.domain.preconditions import NO_PRECONDITION
from jobs.domain.states import JOB_TERMINAL, CallStatus, TaskStatus
from jobs.models import Call, Job, JobEvent, Service, Task
from jobs.services import calls, deadlines, leases, replay
from jobs.services.accounts import ensure_service
from jobs.services.job_reports import write_job
from jobs.services.task_reports import write_task
from tests.crashes import story as told
from tests.crashes.orders import Facts, Message, Order

HORIZON = 3 * 3600.0
"""Seconds into the story after which what is not done never will be."""
LONGEST_STEP = 60.0
SWEEPS: dict[str, Callable[[datetime], int]] = {
    "jobs.sweep_deadlines": lambda now: deadlines.expire_due(now) + deadlines.release_holds(now),
    "escalation.sweep_incidents": sweep_incidents,
    "escalation.sweep_notifications": deliveries.deliver_due,
    "jobs.sweep_calls": lambda now: calls.run_due(lambda: now),
    "jobs.sweep_replays": lambda now: replay.sweep_queue(lambda: now),
    "jobs.sweep_leases": leases.sweep_leases,
    "jobs.audit": deadlines.audit,
}
"""What Celery's schedule does, by the name of the task, in the order of one tick."""


class World:
    """The clock, and how often the auditor had to repair something."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.at = order.at
        self.repaired = 0
        self.refused: list[str] = []

    def now(self) -> datetime:
        """The moment that every rule is told."""
        return told.EPOCH + timedelta(seconds=self.at)

    def play(self) -> Facts:
        """From the first report to the end."""
        _without_chance()
        self._report()
        self._sweep_until_settled()
        return self._facts()

    def _report(self) -> None:
        """What the services say. After a crash they say all of it again, for they cannot know what got through."""
        self._say(self._put_job)
        for name in told.CAUSED_BY:
            self._say(partial(self._put_task, name, "working"))
            if name != told.STILL_WORKING:
                self._say(partial(self._put_task, name, "completed"))

    def _say(self, put: Callable[[], object]) -> None:
        self.at += 1
        try:
            put()
        except (StatusRegression, IllegalTransition, JobCancelled) as refusal:  # 409: a repeat that came too late
            self.refused.append(refusal.code)

    def _put_job(self) -> None:
        values = dict.fromkeys(("description", "status", "on_task_failure", "plan"))
        given: dict[str, Any] = values | {"name": "checkout", "max_ttl": told.MAX_TTL}
        owner = Service.objects.get(name=told.OWNER)
        write_job(told.JOB_ID, owner, given, create=True, precondition=NO_PRECONDITION, now=self.now())

    def _put_task(self, name: str, status: str) -> None:
        cause = told.CAUSED_BY[name]
        write_task(
            told.JOB_ID,
            told.task_id(name),
            Service.objects.get(name=name),
            {
                "name": name,
                "status": status,
                "caused_by": told.task_id(cause) if cause else None,
                "cancel_url": self.order.receiver + told.path(name, "cancel"),
                "revert_url": self.order.receiver + told.path(name),
            },
            create=True,
            traceparent="",
            precondition=NO_PRECONDITION,
            now=self.now(),
        )

    def _sweep_until_settled(self) -> None:
        """A second at a time while there is something to do, in growing steps while there is nothing yet."""
        step = 1.0
        while self.at < HORIZON:
            self.at += step
            if self._sweep():
                step = 1.0
            elif _is_settled():
                return
            else:
                step = min(2 * step, LONGEST_STEP)

    def _sweep(self) -> int:
        """One tick of everything that production has on its schedule; how much was done."""
        done = {name: sweep(self.now()) for name, sweep in SWEEPS.items()}
        self.repaired += done["jobs.audit"]
        return sum(done.values())

    def _facts(self) -> Facts:
        tasks = Task.objects.select_related("job")
        reverted = JobEvent.objects.filter(kind=EventKind.TASK_STATUS, data__new=TaskStatus.REVERTED)
        return Facts(
            job=Job.objects.get().status,
            tasks={task.name: task.status for task in tasks},
            open_calls=[str(call) for call in _open_calls().select_related("task")],
            causes=list(calling_for_help().order_by("id").values_list("cause", flat=True)),
            without_receipt=_without_receipt(),
            incidents=list(Incident.objects.values_list("status", flat=True)),
            steps_left=Incident.objects.filter(next_step_at__isnull=False).count(),
            messages=[_message(row) for row in Notification.objects.all()],
            moves_to_reverted=sorted(event.task.name for event in reverted if event.task),
            repaired=self.repaired,
            refused=self.refused,
        )


def prepare(order: Order) -> None:
    """An empty database but for the services and the people."""
    configs = [apps.get_app_config(label) for label in ("jobs", "escalation")]
    tables = {model._meta.db_table for config in configs for model in config.get_models(include_auto_created=True)}
    flush = connection.ops.sql_flush(no_style(), sorted(tables), reset_sequences=True, allow_cascade=False)
    connection.ops.execute_sql_flush(flush)
    for name in (told.OWNER, *told.CAUSED_BY):
        ensure_service(name)
    if told.STORIES[order.story].comes_back:
        Service.objects.filter(name="pay").update(probe_url=order.receiver + told.PROBE)
    policy = Policy.objects.create(name="Default", is_default=True, repeats=0)
    ann = Contact.objects.create(name="Ann", email=told.ANN_MAIL, phone=told.ANN_PHONE)
    bob = Contact.objects.create(name="Bob", phone=told.BOB_PHONE)
    policy.steps.create(position=0).contacts.add(ann)
    policy.steps.create(position=1, wait_minutes=told.BOB_WAITS).contacts.add(bob)


def _without_chance() -> None:
    """The same points in the same order every time: no jitter, no threads, and a broker that is away."""
    random.seed(1)
    patch.object(random.SystemRandom, "random", lambda self: 0.5).start()
    patch.object(deliveries, "Thread", _InThisThread).start()
    patch.object(Celery, "send_task", side_effect=ConnectionError("There is no broker.")).start()


class _InThisThread:
    """A thread that runs where it is started."""

    def __init__(self, *, target: Callable[..., object], args: tuple[object, ...], daemon: bool) -> None:
        self._run: Callable[[], object] = partial(target, *args)

    def start(self) -> None:
        """Run to the end."""
        self._run()


def _message(row: Notification) -> Message:
    """A mail is known by its Message-ID, a text message by what it says."""
    is_mail = row.channel == Channel.EMAIL
    message_id = row.message_id if is_mail else row.text
    return Message(row.channel, row.address, row.status, message_id, row.subject if is_mail else row.text)


def _open_calls() -> Any:
    return Call.objects.exclude(status__in=[CallStatus.DONE, CallStatus.FAILED])


def _without_receipt() -> list[str]:
    seen = IncidentCause.objects.values("event")
    return list(calling_for_help().exclude(pk__in=seen).values_list("cause", flat=True))


def _is_settled() -> bool:
    """Is nothing left that some sweep would do now or later?"""
    unsettled = Notification.objects.filter(status__in=[DeliveryStatus.PENDING, DeliveryStatus.SENDING])
    return not (
        Job.objects.exclude(status__in=JOB_TERMINAL).exists()
        or _open_calls().exists()
        or _without_receipt()
        or unsettled.exists()
        or Incident.objects.filter(next_step_at__isnull=False).exists()
    )
