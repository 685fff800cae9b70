"""The default contact and policy: somebody to call, and a policy that always exists."""

from django.conf import settings
from django.db import IntegrityError, transaction

from escalation.domain.policy import Person, Plan, Step
from escalation.models import Contact, Policy, PolicyStep

PLACEHOLDER_EMAIL = "oncall@localhost"
"""The address of the contact that is made when mail is only printed and nobody is named."""
_NAME = "on-call"


def ensure_defaults() -> Policy:
    """Make what is missing of the default policy and its contact. Safe to call at any time, by any number at once.

    CHOREO_ONCALL_EMAIL and CHOREO_ONCALL_SMS count while nobody else was entered: what an operator set up is left
    alone, and a placeholder of an earlier start gives way to them.
    """
    policy = _default_policy()
    with transaction.atomic():
        policy = Policy.objects.select_for_update().get(pk=policy.pk)
        email, phone = _wanted()
        placeholder = Contact.objects.filter(email=PLACEHOLDER_EMAIL, phone="", policy_steps__policy=policy).first()
        if placeholder and (email or phone):
            Contact.objects.filter(pk=placeholder.pk).update(email=email, phone=phone)
        elif (email or phone) and not Contact.objects.filter(policy_steps__policy=policy).exists():
            _first_step(policy).contacts.add(Contact.objects.create(name=_NAME, email=email, phone=phone))
    return policy


def default_plan() -> Plan:
    """The default policy as it stands now, to be frozen with an incident."""
    policy = Policy.objects.filter(is_default=True).first() or ensure_defaults()
    return freeze(policy)


def freeze(policy: Policy) -> Plan:
    """A policy as data, without steps in which nobody can be reached."""
    steps = []
    for row in policy.steps.prefetch_related("contacts"):
        people = (Person(c.pk, c.name, c.email, c.phone, c.time_zone) for c in row.contacts.all())
        if reachable := tuple(person for person in people if person.addresses):
            steps.append(Step(row.wait_minutes, reachable))
    return Plan(policy.name, policy.repeats, policy.repeat_minutes, tuple(steps))


def _default_policy() -> Policy:
    if policy := Policy.objects.filter(is_default=True).first():
        return policy
    try:
        with transaction.atomic():
            taken = Policy.objects.filter(name="Default").exists()
            return Policy.objects.create(name="Default policy" if taken else "Default", is_default=True)
    except IntegrityError:  # another process made it at the same moment
        return Policy.objects.get(is_default=True)


def _wanted() -> tuple[str, str]:
    email, phone = settings.CHOREO_ONCALL_EMAIL, settings.CHOREO_ONCALL_SMS
    if not email and not phone and settings.MAIL_IS_PRINTED:
        return PLACEHOLDER_EMAIL, ""
    return email, phone


def _first_step(policy: Policy) -> PolicyStep:
    return policy.steps.order_by("position").first() or PolicyStep.objects.create(policy=policy, position=0)
