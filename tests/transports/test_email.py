"""Email through a real SMTP server (aiosmtpd) that accepts, refuses, drops and hangs on request."""

import asyncio
import email
import email.policy
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from choreo_web.ports import free_port
from escalation.models import Notification
from escalation.services.deliveries import LEASE, claim_due, deliver_due, send
from escalation.services.opening import open_incidents
from escalation.transports.base import Message, PermanentError, TransientError
from escalation.transports.email import Email
from tests.escalation.helpers import contact, overdue_job, policy

pytestmark = pytest.mark.peer

MESSAGE = Message(
    to="ann@example.com",
    subject="[Choreo] checkout J1a2b over max TTL: 2 of 4 tasks reverted",
    text="Not undone: café\n",
    html="<p>Not undone: café</p>",
    message_id="<one@choreo.example>",
    thread="<incident.1@choreo.example>",
)


class Mailbox:
    """A handler: `answers` are what RCPT or DATA are answered with before everything is accepted."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.answers: dict[str, list[str]] = {"RCPT": [], "DATA": []}
        self.released = threading.Event()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answers["RCPT"]:
            return self.answers["RCPT"].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.answers["DATA"].pop(0) if self.answers["DATA"] else "250 OK"
        if answer == "drop":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "421 gone"
        if answer == "hang":
            await server.loop.run_in_executor(None, self.released.wait, 30)
        if answer.startswith("2"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.received.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 OK" if answer == "hang" else answer


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    use_server(settings, port)
    yield box
    box.released.set()
    controller.stop()


def use_server(settings: Any, port: int, **options: Any) -> None:
    settings.MAIL_IS_PRINTED = False
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": port, "timeout": 10} | options,
        }
    }


def test_a_message_arrives_whole(mailbox: Mailbox) -> None:
    receipt = Email().deliver(MESSAGE)
    assert receipt.provider_id == "<one@choreo.example>"
    (mail,) = mailbox.received
    assert (mail["To"], mail["Subject"], mail["Message-ID"]) == (MESSAGE.to, MESSAGE.subject, MESSAGE.message_id)
    assert (mail["References"], mail["Auto-Submitted"]) == (MESSAGE.thread, "auto-generated")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().strip() == "Not undone: café"
    assert html.get_content().strip() == "<p>Not undone: café</p>"


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
@pytest.mark.parametrize(("answer", "error"), [("451 try later", TransientError), ("550 no such user", PermanentError)])
def test_4xx_is_transient_and_5xx_permanent(
    mailbox: Mailbox, command: str, answer: str, error: type[Exception]
) -> None:
    mailbox.answers[command] = [answer]
    with pytest.raises(error, match=answer[:3]):
        Email().deliver(MESSAGE)
    assert mailbox.received == []


def test_a_dropped_connection_is_transient(mailbox: Mailbox) -> None:
    mailbox.answers["DATA"] = ["drop"]
    with pytest.raises(TransientError):
        Email().deliver(MESSAGE)


def test_a_server_that_hangs_loses_its_turn(mailbox: Mailbox, settings: Any) -> None:
    use_server(settings, settings.MAILERS["default"]["OPTIONS"]["port"], timeout=0.3)
    mailbox.answers["DATA"] = ["hang"]
    with pytest.raises(TransientError):
        Email().deliver(MESSAGE)


def test_the_timeout_of_the_settings_is_ten_seconds(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from choreo_web import settings as real

    monkeypatch.setenv("EMAIL_URL", "smtp://user:pass@mail.example:2525")
    assert real._mailer()["OPTIONS"]["timeout"] == 10


def test_a_server_that_is_down_is_transient(settings: Any) -> None:
    use_server(settings, free_port())
    with pytest.raises(TransientError):
        Email().deliver(MESSAGE)


@pytest.mark.parametrize("wicked", ["a@b\r\nBcc: c@d", "two@example.com, three@example.com", "nobody"])
def test_an_address_that_is_none_is_permanent_or_harmless(mailbox: Mailbox, wicked: str) -> None:
    try:
        Email().deliver(Message(to=wicked, subject="x", text="x", message_id="<x@y>"))
    except PermanentError:
        assert mailbox.received == []
    else:
        (mail,) = mailbox.received
        assert (wicked, mail["Bcc"]) == ("nobody", None)


def test_a_subject_cannot_break_out_of_its_header(mailbox: Mailbox) -> None:
    with pytest.raises(PermanentError):
        Email().deliver(Message(to="ann@example.com", subject="x\r\nBcc: eve@example.com", text="x"))
    assert mailbox.received == []


@pytest.mark.django_db(transaction=True)
def test_an_alert_that_a_service_tries_to_break_arrives_intact(mailbox: Mailbox) -> None:
    policy((0, [contact("Ann")]))
    story = overdue_job(name="checkout\r\nBcc: eve@example.com\u202e <img src=x>")
    open_incidents(story.now)
    deliver_due(story.now)
    (mail,) = mailbox.received
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[Choreo] checkout Bcc: eve@example.com <img src=x> J")
    html = mail.get_body(("html",))
    assert html is not None
    assert "<img" not in html.get_content()
    assert Notification.objects.get().message_id == mail["Message-ID"]


@pytest.mark.django_db(transaction=True)
def test_after_451_and_after_a_crash_the_message_id_is_the_same(mailbox: Mailbox) -> None:
    policy((0, [contact("Ann")]))
    story = overdue_job()
    open_incidents(story.now)
    mailbox.answers["DATA"] = ["451 greylisted"]
    deliver_due(story.now)
    story.now = Notification.objects.get().next_at
    (claim,) = claim_due(story.now)
    send(claim)  # accepted, and the process dies before it writes so down
    deliver_due(story.now + LEASE)
    assert len(mailbox.received) == 2
    assert {mail["Message-ID"] for mail in mailbox.received} == {Notification.objects.get().message_id}
    assert [a.outcome for a in Notification.objects.get().delivery_attempts.all()] == ["transient", "", "accepted"]
