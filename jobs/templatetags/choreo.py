"""What the operator templates use beyond Django's own."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import Job, Task
from jobs.templatetags import display

register = template.Library()

register.filter("chip", display.chip)
register.filter("moment", display.moment)
register.filter("copyable", lambda value: display.copyable(str(value)))
register.filter("copy_button", lambda url, name: display.copy_button(url, f"Copy the URL of {name}"))
register.filter("call_chip", display.call_chip)
register.filter("outcome", display.outcome)
register.filter("strip", display.strip)
register.filter("in_words", display.words)
register.filter("short", display.short)
register.filter("seconds", display.duration)


@register.filter
def secret(value: str) -> SafeString:
    """A token or secret that is shown this once, with its copy button."""
    return format_html('<div class="ch-secret">{}</div>', display.copyable(value, "Copy it"))


@register.filter
def code_block(text: str) -> SafeString:
    """Something to paste into a terminal, with its copy button."""
    return format_html(
        '<div class="ch-message ch-paste"><code class="ch-pre">{}</code>{}</div>',
        text,
        display.copy_button(text, "Copy it"),
    )


@register.filter
def state_chip(word: str, like: str) -> SafeString:
    """A chip that says `word` in the colour and shape of the status `like`."""
    return display.chip_as(word, like)


@register.filter
def web_url(url: str) -> str:
    """The URL when a browser may be sent there, else nothing: services wrote it."""
    return url if url.startswith(("http://", "https://")) else ""


@register.filter
def ttl(job: Job, now: datetime) -> SafeString | str:
    """Elapsed against max TTL."""
    return display.ttl_bar(job, now)


@register.filter
def took(task: Task, now: datetime) -> str:
    """How long the task's own work took, or has taken so far."""
    if task.started_at is None:
        return "—"
    return display.duration(((task.stopped_at or now) - task.started_at).total_seconds())


@register.filter
def as_json(value: object) -> str:
    """JSON as a person reads it."""
    return json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def plain(number: float) -> str:
    """A coordinate, whatever the language's decimal sign."""
    return f"{number:g}"


@register.simple_tag
def cause(task: Task, tasks: Sequence[Task]) -> SafeString:
    """The task that this one reacted to, by name when it is on the page."""
    caused_by: UUID | None = task.caused_by
    name = next((other.name for other in tasks if other.task_id == caused_by), None)
    if name is None or caused_by is None:
        return format_html("<code>{}</code>", display.short(caused_by) if caused_by else "—")
    return format_html('<a href="#task-{}">{}</a>', caused_by, name)
