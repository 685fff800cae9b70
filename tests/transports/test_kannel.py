"""Text messages through a real Kannel."""

import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from escalation.domain.sms import BASIC, EXTENDED
from escalation.models import DeliveryAttempt, Notification
from escalation.services.deliveries import deliver_due
from escalation.services.opening import open_incidents
from escalation.transports.base import Message, PermanentError, TransientError
from escalation.transports.config import sms_transport
from tests.escalation.helpers import contact, overdue_job, policy
from tests.servers import free_port
from tests.transports import kannel_server
from tests.transports.kannel_server import Gateway

pytestmark = [pytest.mark.slow, pytest.mark.peer]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    if missing := kannel_server.missing_programs():
        why = f"Not installed (Debian: kannel, kannel-extras): {', '.join(missing)}"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    with kannel_server.kannel() as running:
        yield running


def arrives(gateway: Gateway, text: str) -> bool:
    end = time.monotonic() + 15
    while not gateway.arrived(text) and time.monotonic() < end:
        time.sleep(0.05)
    return gateway.arrived(text)


def test_a_text_arrives_with_its_sender_and_its_number(gateway: Gateway) -> None:
    receipt = sms_transport(gateway.url).deliver(Message(to="+15550100001", text="checkout J1a2b over max TTL"))
    assert re.match(r"[03]:", receipt.detail)
    assert arrives(gateway, "Choreo +15550100001 text checkout J1a2b over max TTL")


def test_every_character_of_the_gsm_alphabet_is_taken(gateway: Gateway) -> None:
    text = "".join(sorted((BASIC | EXTENDED) - set("\r\n")))
    assert sms_transport(gateway.url).deliver(Message(to="+15550100001", text=text))


def test_a_wrong_password_is_permanent(gateway: Gateway) -> None:
    wrong = gateway.url.replace(kannel_server.PASSWORD, "guessed")
    with pytest.raises(PermanentError, match="403"):
        sms_transport(wrong).deliver(Message(to="+15550100001", text="x"))


def test_a_message_without_a_receiver_is_permanent(gateway: Gateway) -> None:
    with pytest.raises(PermanentError, match="400"):
        sms_transport(gateway.url).deliver(Message(to="", text="x"))


def test_a_gateway_that_is_down_is_transient() -> None:
    down = sms_transport(f"kannel://a:b@127.0.0.1:{free_port()}/")
    with pytest.raises(TransientError, match="No answer"):
        down.deliver(Message(to="+15550100001", text="x"))


@pytest.mark.django_db(transaction=True)
def test_an_incident_reaches_the_phone_network(gateway: Gateway, settings: Any) -> None:
    settings.CHOREO_SMS_URL = gateway.url
    policy((0, [contact("Ann", phone="+15550100001")]))
    story = overdue_job()
    open_incidents(story.now)
    deliver_due(story.now)
    sms = Notification.objects.get(channel="sms")
    assert (sms.status, DeliveryAttempt.objects.get(notification=sms).provider) == ("sent", "kannel")
    assert arrives(gateway, sms.text.partition("/ack/")[2])
