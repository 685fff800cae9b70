"""One service's part in the dance: react to an event, do a step, tell the next.

A service knows the event that it hears and the one that it says, never the whole. Choreo is
told of everything through an outbox, so the work goes on when Choreo is down.
"""

import logging
import queue
import threading
from typing import ClassVar

from choreo_client import (
    Choreo,
    ChoreoError,
    Correlation,
    Entry,
    Outbox,
    Problem,
    ReplayQueue,
    correlated,
)
from choreo_client.ladder import ONE_ATTEMPT

from examples.checkout.base.events import SEND_SECONDS, Event, Sender
from examples.checkout.base.ids import derived_id
from examples.checkout.base.messages import event_of, lost_event_report, task_report
from examples.checkout.base.problems import (
    BadRequest,
    CannotUndo,
    NotFound,
    Overloaded,
    problem,
)
from examples.checkout.base.settings import Settings
from examples.checkout.base.store import (
    EFFECTIVE,
    STARTABLE,
    UNFINISHED,
    Answer,
    State,
    Store,
    Task,
)

log = logging.getLogger("checkout")

WORKERS = 16
SETTLE_SECONDS = 1.0
"""How long a step waits for Choreo's word on its reports before it goes on without."""


class Service:
    """What each of the four fills in: `name`, `hears`, `says`, `work` and `undone`."""

    name: ClassVar[str]
    task_name: ClassVar[str]
    hears: ClassVar[str]
    says: ClassVar[str]

    def work(self, state: State) -> State:
        """The step: from the shared state to the properties to write, absolute values."""
        raise NotImplementedError

    def undone(self, task: Task) -> State:
        """The properties to write when the step is undone; CannotUndo if it cannot be."""
        raise NotImplementedError

    def delay_before(self, task: Task) -> float:
        """Seconds that the step takes before it has any effect."""
        return 0.0

    def delay_after(self, task: Task) -> float:
        """Seconds that the step hangs after its effect, before it says that it is done."""
        return 0.0

    def before_work(self, task: Task) -> None:
        """What is to be told to Choreo before the task itself."""

    def post(self, path: str, body: State) -> Answer:
        """Answer a POST that is no event: the service's own front door, if it has one."""
        raise NotFound(f"nothing takes a POST at {path}")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.data.mkdir(parents=True, exist_ok=True)
        self.store = Store(settings.data / "store.sqlite3")
        # Held while a task's status is looked at and acted upon; never over a network call.
        self._lock = threading.RLock()
        self._stops: dict[str, threading.Event] = {}
        self._closing = False
        self._todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        # One attempt, as a step that cannot ask Choreo goes on at once without it.
        self.choreo = Choreo(settings.choreo_url, settings.choreo_token, 2.0, policy=ONE_ATTEMPT)
        self._sender = Sender(settings, self.choreo)
        self.outbox = Outbox(
            self.choreo,
            settings.data / "outbox.sqlite3",
            on_refused=self._report_refused,
        )
        self.events = ReplayQueue(
            self._send_event,
            settings.data / "events.sqlite3",
            max_age=SEND_SECONDS,
            on_refused=self._event_refused,
        )

    def start(self) -> None:
        """Start the workers, on what an earlier process left unfinished first."""
        for task in self.store.unfinished():
            self._todo.put(task.task_id)
        for _ in range(WORKERS):
            threading.Thread(target=self._work_on, daemon=True).start()

    def close(self) -> None:
        """Stop within a second or so; whatever is unfinished goes on at the next start."""
        with self._lock:
            self._closing = True
            for stop in self._stops.values():
                stop.set()
        self.events.close(0.2)
        self.outbox.close(0.3)
        self.store.close()

    def receive(self, event: Event) -> None:
        """React to an event; it is kept safely when this returns."""
        if event.type != self.hears:
            raise BadRequest(f"{event.type} is not heard here, only {self.hears}")
        task_id = derived_id(event.job_id, self.name, f"{event.type}/{event.id}")
        self.take_on(task_id, event.job_id, event.task_id, event.traceparent, event.data)

    def take_on(
        self,
        task_id: str,
        job_id: str,
        caused_by: str | None,
        traceparent: str | None,
        data: State,
    ) -> None:
        """Start a task, unless it is known already."""
        if self.store.accept(task_id, job_id, caused_by, traceparent, data):
            self._todo.put(task_id)

    def describe(self, task_id: str) -> Answer:
        """What stands behind the taskURL."""
        task = self.store.get(task_id)
        if task is None:
            raise NotFound("no such task here")
        effect = self.store.effect(task_id)
        return 200, {
            "jobID": task.job_id,
            "taskID": task_id,
            "status": task.status,
            "effect": effect,
        }

    def withdraw(self, action: str, task_id: str, job_id: str, key: str) -> Answer:
        """Cancel or revert: stop the work and undo its effect; the same key, the same answer.

        A task that never came leaves a tombstone, so that it will not start when it comes.
        """
        with self._lock:
            key = f"{action} {task_id} {key}"
            before = self.store.answered(key)
            answer = before or self._withdraw(action, task_id, job_id)
            self.store.remember(key, answer)
        # Choreo may close the job on this answer: what was undone should be in the shared state before.
        self.outbox.settle(job_id, SETTLE_SECONDS)
        return answer

    def _withdraw(self, action: str, task_id: str, job_id: str) -> Answer:
        if self.store.bury(task_id, job_id):
            return 404, problem(404, "Not found", "no such task came here; none will")
        self._halt(task_id, (*UNFINISHED, "done"))
        try:
            self._undo(task_id)
        except CannotUndo:
            # The work is stopped, which is all that a cancel asks; the revert will follow.
            if action == "revert":
                raise
        if action == "revert":
            self.store.move(task_id, ["cancelled"], "reverted")
        status = "reverted" if action == "revert" else "cancelled"
        return 200, {"jobID": job_id, "taskID": task_id, "status": status}

    def _undo(self, task_id: str) -> None:
        task = self.store.get(task_id)
        if task is None or self.store.effect(task_id) is None:
            return
        state = self.undone(task)
        self.store.undo(task_id, state)
        # Told again each time: a process killed between these two lines did not tell it.
        # Once the job is at its end Choreo answers 409, and the old value may stay.
        self.outbox.update_shared_state(task.job_id, state)

    def _halt(self, task_id: str, sources: tuple[str, ...]) -> None:
        with self._lock:
            self.store.move(task_id, sources, "cancelled")
            if task_id in self._stops:
                self._stops[task_id].set()

    def _work_on(self) -> None:
        while not self._closing:
            task = self.store.get(self._todo.get())
            if task is not None:
                self._run(task)

    def _run(self, task: Task) -> None:
        with self._lock:
            self._stops[task.task_id] = threading.Event()
        try:
            with correlated(Correlation(task.job_id, task.task_id, task.traceparent)):
                self._step(task)
        except Exception as error:
            if not self._closing:
                log.exception("task %s of job %s", task.task_id, task.job_id)
                self._fail(task, error)
        finally:
            self._stops.pop(task.task_id, None)

    def _step(self, task: Task) -> None:
        if self.store.move(task.task_id, STARTABLE, "working"):
            self.before_work(task)
            self._report(task, "working", changed=False)
            self.outbox.settle(task.job_id, SETTLE_SECONDS)
            if self._is_stopped(task, self.delay_before(task)):
                return
            self.store.apply(task.task_id, self.work(self._state(task)))
        self._finish(task)

    def _finish(self, task: Task) -> None:
        state = self.store.effect(task.task_id)
        if state is None or not self._tell(task, state):
            return
        self.outbox.settle(task.job_id, SETTLE_SECONDS)
        with self._lock:
            # Both or neither would be better; a kill in between sends the event again, with
            # the same ID, which its subscriber takes for the duplicate that it is.
            if self.store.status(task.task_id) == "applied":
                self._emit(task, state)
                self.store.move(task.task_id, ["applied"], "done")

    def _tell(self, task: Task, state: State) -> bool:
        delay = self.delay_after(task)
        if delay:
            self._report(task, "working", changed=True)
            if self._is_stopped(task, delay):
                return False
        with self._lock:
            if self.store.status(task.task_id) != "applied":
                return False
            self.outbox.update_shared_state(task.job_id, state)
            self._report(task, "completed", changed=True)
            return True

    def _is_stopped(self, task: Task, seconds: float) -> bool:
        stop = self._stops[task.task_id]
        return self._closing or stop.wait(seconds)

    def _state(self, task: Task) -> State:
        """The shared state, over what the event itself said: Choreo may be down or behind."""
        try:
            shared = self.choreo.read_shared_state(task.job_id).value
        except ChoreoError as error:
            log.warning("working from the event alone: %s", error)
            shared = {}
        return {**task.input, **shared}

    def _fail(self, task: Task, error: Exception) -> None:
        with self._lock:
            if self.store.move(task.task_id, STARTABLE, "failed"):
                message = f"{type(error).__name__}: {error}"[:500]
                self._report(task, "failed", changed=False, taskMessage=message)

    def _report(self, task: Task, status: str, *, changed: bool, **more: str) -> None:
        body = task_report(task, self.settings, self.task_name, status, changed=changed)
        self.outbox.put_task(task.job_id, task.task_id, {**body, **more})

    def _emit(self, task: Task, state: State) -> None:
        event = event_of(task, self.name, self.says, state)
        if not self.events.put(task.job_id, self.says, event.payload()):
            raise Overloaded("the event could not be kept")

    def _send_event(self, entry: Entry) -> None:
        # What was withdrawn while its event waited must not set others to work.
        if self.store.status(entry.payload["task_id"]) in EFFECTIVE:
            self._sender.send(Event(**entry.payload))

    def _event_refused(self, entry: Entry, error: Exception) -> None:
        event = Event(**entry.payload)
        report_id = derived_id(event.job_id, self.name, f"lost/{event.id}")
        report = lost_event_report(event, error)
        self.outbox.put_error_report(event.job_id, report_id, report)

    def _report_refused(self, entry: Entry, error: Exception) -> None:
        cancelled = isinstance(error, Problem) and error.code == "job-cancelled"
        if cancelled and entry.kind == "put_task":
            # No more work on it; what it did already, Choreo will ask to revert.
            self._halt(entry.payload["arguments"][1], UNFINISHED)
