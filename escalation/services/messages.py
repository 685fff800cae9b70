"""From an incident to the words that are sent, out of `templates/notifications/<kind>/`.

What a service supplied was cleaned before it comes here (`escalation.domain.text`); the HTML is autoescaped. An alert
that cannot be rendered is sent all the same, in a few plain words: a template is no reason to let people sleep.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError
from django.template.loader import render_to_string
from django.utils import timezone

from escalation import selectors
from escalation.domain import sms, undoing, wording
from escalation.domain.delivery import Channel, MessageKind
from escalation.domain.policy import Person
from escalation.domain.text import clean
from escalation.models import Incident
from escalation.selectors import Facts, TaskLine

log = structlog.get_logger(__name__)

_SUBJECT_LENGTH = 200
_TASKS_SHOWN = 12


@dataclass(frozen=True)
class Rendered:
    """A message ready to send; a text message has neither subject nor HTML."""

    text: str
    subject: str = ""
    html: str = ""


@dataclass(frozen=True)
class Occasion:
    """What a round of messages is about: rendered once for each address."""

    incident: Incident
    kind: MessageKind
    now: datetime
    by: str = ""


def read_facts(incident: Incident) -> Facts | None:
    """The facts to write about, or None when they defy being told; a broken database is another matter."""
    try:
        return selectors.facts(incident)
    except DatabaseError:
        raise
    except Exception:
        log.exception("facts not read", incident=str(incident.pk))
        return None


def render(occasion: Occasion, facts: Facts | None, person: Person, channel: Channel, ack_url: str) -> Rendered:
    """The message for one address."""
    try:
        if facts is not None:
            context = _context(occasion, facts, person, ack_url)
            with timezone.override(person.zone):
                return _sms(occasion.kind, context) if channel is Channel.SMS else _email(occasion.kind, context)
    except Exception:
        log.exception("message not rendered", incident=str(occasion.incident.pk), kind=occasion.kind)
    return _minimal(occasion, channel, ack_url)


def _context(occasion: Occasion, facts: Facts, person: Person, ack_url: str) -> dict[str, Any]:
    when = undoing.when_in(person.zone, occasion.now)
    waiting = undoing.waiting(facts.waiting, when) if facts.waiting else ""
    stuck = undoing.listed([str(task) for task in facts.stuck])
    return {
        "facts": facts,
        "job_name": facts.job_name,
        "incident": occasion.incident,
        "person": clean(person.name, 100),
        "by": clean(occasion.by, 100),
        "now": occasion.now,
        "ack_url": ack_url,
        "waiting": waiting,
        "stuck": stuck,
        "headline": wording.headline(facts.progress, stuck=stuck, waiting=waiting),
        "left": [(task, _what_was_tried(task, when)) for task in facts.left[:_TASKS_SHOWN]],
        "more_left": max(len(facts.left) - _TASKS_SHOWN, 0),
        "news": _news(facts, when),
    }


def _what_was_tried(task: TaskLine, when: undoing.When) -> list[str]:
    if task.undoing is None:
        return [f"it gave no URL to revert it: only a person can undo it at {task.service}"] if task.stuck else []
    return undoing.sentences(task.undoing, when)


def _news(facts: Facts, when: undoing.When) -> list[str]:
    """What a text message may say of it, the fullest first."""
    stuck = facts.stuck
    return wording.in_short(
        facts.what,
        facts.progress,
        stuck=undoing.listed([str(task) for task in stuck], most=1),
        why=undoing.reason(stuck[0].undoing) if len(stuck) == 1 else "",
        waiting=undoing.waiting_in_short(facts.waiting, when) if facts.waiting else "",
    )


def _email(kind: MessageKind, context: dict[str, Any]) -> Rendered:
    folder = f"notifications/{kind}"
    return Rendered(
        subject=clean(render_to_string(f"{folder}/subject.txt", context), _SUBJECT_LENGTH),
        text=render_to_string(f"{folder}/body.txt", context).strip() + "\n",
        html=render_to_string(f"{folder}/body.html", context),
    )


def _sms(kind: MessageKind, context: dict[str, Any]) -> Rendered:
    def saying(news: str) -> Callable[[str], str]:
        def text(job_name: str) -> str:
            given = context | {"job_name": job_name, "news": news}
            return " ".join(render_to_string(f"notifications/{kind}/sms.txt", given).split())

        return text

    renders = [saying(news) for news in context["news"]]
    return Rendered(text=sms.best_segment(renders, context["job_name"], context["ack_url"]))


def _minimal(occasion: Occasion, channel: Channel, ack_url: str) -> Rendered:
    incident = occasion.incident
    words = f"[Choreo] {wording.job_ref(incident.job_id)} {incident.severity} incident {occasion.kind}"
    if channel is Channel.SMS:
        return Rendered(text=sms.one_segment(lambda name: f"{name} {ack_url}", words, ack_url))
    text = f"{words}.\n\nJob: {incident.job_id}\nIncident: {incident.pk}\nAcknowledge: {ack_url}\n"
    return Rendered(subject=words, text=text)
