"""Small pieces of HTML for lists, pages and templates. A status is always a colour, a shape and a word.

Here and not in `jobs.admin`, because the template engine loads this folder before any admin can be loaded.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.domain.states import JobStatus
from jobs.models import Job, Task

CELLS = 24
"""So many tasks a job shows in a list; what is more is a number."""

_WORDS = {"maxTTL": "max TTL", "taskMaxTTL": "task over max TTL", "jobMaxTTL": "job over max TTL"}


def words(value: str) -> str:
    """A contract's name in words: `revertFailed` → `revert failed`."""
    return _WORDS.get(value) or "".join(f" {c.lower()}" if c.isupper() else c for c in value)


def chip(status: str) -> SafeString:
    """A status as colour, shape and word."""
    return chip_as(words(status), status)


def chip_as(word: str, like: str) -> SafeString:
    """A word in the colour and shape of the status `like`."""
    return format_html('<span class="ch-chip ch-{}"><i class="ch-shape" aria-hidden="true"></i>{}</span>', like, word)


def call_chip(status: str) -> SafeString:
    """The status of a cancel or revert call, in the colours and shapes of a task's."""
    return chip_as(status, {"running": "working", "done": "completed"}.get(status, status))


_OUTCOMES = {
    "done": "done",
    "reported": "the service reported it itself",
    "nothing-to-undo": "done: the service had nothing to undo",
    "needless": "needless: nobody had to be asked any more",
    "refused": "the service refused",
    "blocked": "Choreo may not call that address",
    "no-url": "the task gave no URL for it",
    "gave-up": "given up",
    "transient": "no usable answer",
    "under-way": "the service is at work on it",
    "still-under-way": "the service said that it is at work, and never came to an end",
}


def outcome(word: str) -> str:
    """How a call ended, or what one attempt came to, in words."""
    return _OUTCOMES.get(word, word)


def moment(at: datetime | None) -> SafeString | str:
    """A time in UTC, to the second; its day and its exact form on hover."""
    if at is None:
        return "—"
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3],
        f"{at:%d %b %H:%M:%S}",
    )


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `0.4 s`, `36 s`, `5 min 3 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    for size, unit, small, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def elapsed(job: Job, now: datetime) -> timedelta | None:
    """How long the job ran, or has been running; None before it starts."""
    return None if job.started_at is None else (job.stopped_at or now) - job.started_at


def is_late(job: Job, now: datetime) -> bool:
    """Is the job working past its deadline?"""
    return job.status == JobStatus.WORKING and job.deadline_at is not None and job.deadline_at <= now


def ttl_bar(job: Job, now: datetime) -> SafeString | str:
    """Elapsed against max TTL, in words and as a bar."""
    spent = elapsed(job, now)
    if spent is None:
        return format_html('<span class="ch-soft">not started, {} allowed</span>', duration(job.max_ttl))
    share = spent.total_seconds() / job.max_ttl
    return format_html(
        '<span class="ch-ttl"><span>{} of {}</span>'
        '<span class="ch-bar{}" aria-hidden="true"><i style="width:{}%"></i></span></span>',
        duration(spent.total_seconds()),
        duration(job.max_ttl),
        " ch-over" if share > 1 else "",
        f"{min(share, 1) * 100:.0f}",
    )


def strip(tasks: Iterable[Task]) -> SafeString | str:
    """Tasks as a strip of cells, with the same in words for who cannot see it."""
    shown = list(tasks)
    if not shown:
        return format_html('<span class="ch-soft">{}</span>', "none yet")
    told = [(task.status, task.name, words(task.status)) for task in shown[:CELLS]]
    cells = format_html_join("", '<i class="ch-cell ch-{}" title="{}: {}"></i>', told)
    label = ", ".join(f"{name} {status}" for _, name, status in told)
    more = "+" if len(shown) > CELLS else ""
    return format_html('<span class="ch-strip" role="img" aria-label="{}">{}{}</span>', label, cells, more)


def short(identifier: UUID) -> str:
    """The first eight characters: what people read to each other."""
    return str(identifier)[:8]


def job_link(job: Job, url: str) -> SafeString:
    """A job as lists name it: the beginning of its name, its short ID, and all of both on hover."""
    name = f"{job.name[:39]}…" if len(job.name) > 40 else job.name
    return format_html('<a href="{}" title="{} {}">{} <code>{}</code></a>', url, job.name, job.pk, name, short(job.pk))


def copyable(text: str, label: str = "Copy the ID") -> SafeString:
    """A text with a button that copies it."""
    return format_html('<span class="ch-copy"><code>{}</code>{}</span>', text, copy_button(text, label))


def copy_button(text: str, label: str) -> SafeString:
    """A button that copies a text."""
    return format_html(
        '<button type="button" class="ch-copy-button" data-copy="{0}" aria-label="{1}" title="{1}">'
        '<span class="material-symbols-outlined" aria-hidden="true">content_copy</span></button>',
        text,
        label,
    )
