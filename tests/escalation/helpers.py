"""What the tests of alerts have in common: people to call, and a provider that does what it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any
from unittest.mock import patch

from escalation.domain.delivery import Channel
from escalation.models import Contact, Incident, Policy, PolicyStep
from escalation.services.deliveries import deliver_due
from escalation.services.sweeps import sweep_incidents
from escalation.transports.base import Message, Receipt
from jobs.services.deadlines import expire_due
from tests.jobs.scenario import Story


def contact(name: str, *, phone: str = "") -> Contact:
    """A person with an email address made of the name."""
    return Contact.objects.create(name=name, email=f"{name.lower()}@example.com", phone=phone)


def policy(*steps: tuple[int, list[Contact]], repeats: int = 0, repeat_minutes: int = 30) -> Policy:
    """The default policy, with these (wait, contacts)."""
    made = Policy.objects.create(name="Test", is_default=True, repeats=repeats, repeat_minutes=repeat_minutes)
    for position, (wait, people) in enumerate(steps):
        PolicyStep.objects.create(policy=made, position=position, wait_minutes=wait).contacts.set(people)
    return made


def overdue_job(**given: Any) -> Story:
    """A job whose max TTL has just run out, and whose one task is being reverted."""
    story = Story()
    story.put_job(max_ttl=30, **given)
    story.chain("tax")
    story.after(60)
    expire_due(story.now)
    return story


def the_incident() -> Incident:
    """The only one there is."""
    return Incident.objects.get()


@dataclass
class Provider:
    """A transport in memory: `answers` are errors to raise, one a message, before it accepts all the rest."""

    name: str = "fake"
    answers: list[Exception] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def deliver(self, message: Message) -> Receipt:
        """Accept, or raise what was ordered."""
        with self.lock:
            self.messages.append(message)
            if self.answers:
                raise self.answers.pop(0)
        return Receipt(provider_id=f"{self.name}-{len(self.messages)}")

    @property
    def received(self) -> list[str]:
        """To whom, in the order of the alphabet."""
        return sorted(message.to for message in self.messages)


@contextmanager
def providers(email: list[Provider] | None = None, sms: list[Provider] | None = None) -> Iterator[None]:
    """Use these instead of what the settings say."""
    table = {Channel.EMAIL: email or [Provider("mail")], Channel.SMS: sms or [Provider("sms")]}
    with patch("escalation.services.deliveries.ways", table.__getitem__):
        yield


def tick(now: datetime) -> None:
    """One sweep of each kind."""
    sweep_incidents(now)
    deliver_due(now)
