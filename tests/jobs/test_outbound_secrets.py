"""Two secrets sign while one is being rotated: a service that knows either of them takes the call as Choreo's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from choreo_client.errors import SignatureError
from choreo_client.webhooks import verify
from django.core.management import call_command
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from jobs.domain.callbacks import AnswerKind
from jobs.models import Service
from jobs.services.accounts import (
    PREVIOUS_SECRET_SIGNS_FOR,
    ensure_service,
    previous_secret_until,
    revoke_previous_secret,
    rotate_webhook_secret,
    signing_secrets,
)
from jobs.services.outbound import CallFacts, send
from tests.jobs.calls_peer import Peer, Received, running_peer, status
from tests.jobs.calls_scene import running_scene

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def tax() -> Service:
    return ensure_service("tax")


@pytest.fixture
def peer(settings: Settings) -> Iterator[Peer]:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    with running_peer() as running:
        yield running


def received(peer: Peer, service: Service, now: datetime) -> Received:
    """A call to the service, signed as it is at `now`, which the peer took."""
    facts = CallFacts(uuid4(), uuid4(), "revert", "maxTTL", uuid4(), tuple(signing_secrets(service, now)))
    answer = send(peer.plays(status(204)), facts, now=datetime.now(UTC))  # verifiers have a clock of their own
    assert answer.kind is AnswerKind.DONE
    return peer.requests[-1]


def accepted(secrets: list[str], request: Received) -> bool:
    """Do the reference implementation (which knows one secret) and ours (which may know more) take it? They agree."""
    try:
        verify(secrets, request.headers, request.body, datetime.now(UTC).timestamp())
        ours = True
    except SignatureError:
        ours = False
    theirs = any(_theirs(secret, request) for secret in secrets)
    assert ours == theirs
    return ours


def _theirs(secret: str, request: Received) -> bool:
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


def test_during_a_rotation_either_secret_verifies(peer: Peer, tax: Service) -> None:
    old = tax.webhook_secret
    new = rotate_webhook_secret(tax, NOW)
    request = received(peer, tax, NOW + timedelta(hours=23))
    assert accepted([old], request)
    assert accepted([new], request)
    assert accepted([new, old], request)
    assert not accepted(["whsec_" + "QUFB" * 8], request)


def test_after_a_day_the_old_secret_is_worth_nothing(peer: Peer, tax: Service) -> None:
    old = tax.webhook_secret
    new = rotate_webhook_secret(tax, NOW)
    request = received(peer, tax, NOW + PREVIOUS_SECRET_SIGNS_FOR)
    assert not accepted([old], request)
    assert accepted([new], request)
    assert request.headers["webhook-signature"].count("v1,") == 1


def test_the_newest_secret_comes_first_and_the_row_knows_it(tax: Service) -> None:
    old = tax.webhook_secret
    assert signing_secrets(tax, NOW) == [old]
    new = rotate_webhook_secret(tax, NOW)
    stored = Service.objects.get(pk=tax.pk)
    assert signing_secrets(stored, NOW) == signing_secrets(tax, NOW) == [new, old]
    assert previous_secret_until(stored, NOW) == NOW + timedelta(hours=24)


def test_a_leaked_secret_is_taken_out_of_use_at_once(peer: Peer, tax: Service) -> None:
    old = tax.webhook_secret
    new = rotate_webhook_secret(tax, NOW)
    assert revoke_previous_secret(tax)
    assert not revoke_previous_secret(tax)
    assert signing_secrets(tax, NOW) == signing_secrets(Service.objects.get(pk=tax.pk), NOW) == [new]
    assert not accepted([old], received(peer, tax, NOW))


def test_two_rotations_in_a_day_leave_the_last_two_secrets(tax: Service) -> None:
    stale = Service.objects.get(pk=tax.pk)  # as another process has it
    first = tax.webhook_secret
    second = rotate_webhook_secret(tax, NOW)
    third = rotate_webhook_secret(stale, NOW + timedelta(hours=1))
    assert signing_secrets(Service.objects.get(pk=tax.pk), NOW + timedelta(hours=2)) == [third, second]
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("unusable", ["", "whsec_", "whsec_%%%"])
def test_a_secret_that_cannot_sign_is_not_kept(peer: Peer, tax: Service, unusable: str) -> None:
    """Else the rotation that is to mend it would leave every call blocked for another day."""
    Service.objects.filter(pk=tax.pk).update(webhook_secret=unusable)
    new = rotate_webhook_secret(tax, NOW)
    assert signing_secrets(tax, NOW) == [new]
    assert accepted([new], received(peer, tax, NOW))


def test_a_revert_bears_both_signatures_until_the_day_is_over(settings: Settings) -> None:
    settings.CHOREO_ALLOW_PRIVATE_CALLBACKS = True
    with running_scene() as scene:
        old = scene.service.webhook_secret
        new = rotate_webhook_secret(scene.service, scene.clock())
        scene.run_until_settled(scene.undo(status(503), status(200)))
        for request in scene.peer.requests:
            assert accepted([old], request)
            assert accepted([new], request)
        assert len(scene.peer.requests) == 2


def said(*options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("webhook_secret", "tax", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_says_beside_the_secret_until_when_the_old_one_is_valid(tax: Service) -> None:
    old = tax.webhook_secret
    assert said() == (f"{old}\n", "")
    out, err = said("--rotate")
    tax.refresh_from_db()
    assert out == f"{tax.webhook_secret}\n"
    assert tax.previous_secret_until is not None
    assert f"{tax.previous_secret_until:%Y-%m-%d %H:%M:%S} UTC" in err
    assert said() == (out, err)
    assert (tax.webhook_secret, tax.previous_secret) != (old, "")
    assert not {old, tax.webhook_secret} & set(err.split())


def test_the_command_revokes_the_old_secret(tax: Service) -> None:
    out, _ = said("--rotate")
    assert said("--revoke-previous") == (out, "")
    tax.refresh_from_db()
    assert (tax.previous_secret, tax.previous_secret_until) == ("", None)
    assert said("--revoke-previous") == (out, "There was no previous secret to revoke.\n")


def test_the_command_replaces_a_leaked_secret_in_one_go(tax: Service) -> None:
    old = tax.webhook_secret
    out, err = said("--rotate", "--revoke-previous")
    tax.refresh_from_db()
    assert (out, err) == (f"{tax.webhook_secret}\n", "")
    assert tax.webhook_secret != old
    assert tax.previous_secret == ""
