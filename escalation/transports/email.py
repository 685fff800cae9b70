"""Email through Django's mailer (`EMAIL_URL`)."""

import smtplib
from dataclasses import dataclass

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from escalation.transports.base import Message, PermanentError, Receipt, TransientError


@dataclass(frozen=True)
class Email:
    """SMTP, or whatever backend `MAILERS` names; 4xx and a silent server are transient, 5xx is permanent."""

    @property
    def name(self) -> str:
        """`smtp` or `printed mail`."""
        return "printed mail" if settings.MAIL_IS_PRINTED else "smtp"

    def deliver(self, message: Message) -> Receipt:
        """Hand it to the mail server. Raises TransientError or PermanentError."""
        try:
            sent = _mail(message).send()
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused(*_first_refusal(error)) from error
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise PermanentError(f"The mail server cannot do this: {error}"[:300]) from error
        except OSError as error:  # every other SMTPException is one, and so are a timeout and a refused connection
            raise TransientError(f"The mail server did not take it: {type(error).__name__}.") from error
        except ValueError as error:
            raise PermanentError(f"Not a message that can be sent: {error}"[:300]) from error
        if not sent:
            raise TransientError("The mail server took nothing.")
        return Receipt(provider_id=message.message_id)


def _mail(message: Message) -> EmailMultiAlternatives:
    headers = {
        "Message-ID": message.message_id,
        "Auto-Submitted": "auto-generated",  # RFC 3834: no out-of-office answers, please
        "X-Auto-Response-Suppress": "All",
    }
    if message.thread:
        headers["References"] = message.thread
    mail = EmailMultiAlternatives(message.subject, message.text, to=[message.to], headers=headers)
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    return mail


def _first_refusal(error: smtplib.SMTPRecipientsRefused) -> tuple[int, bytes]:
    refusals: dict[str, tuple[int, bytes]] = error.recipients
    return next(iter(refusals.values()), (451, b"refused"))


def _refused(code: int, words: bytes | str) -> TransientError | PermanentError:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    detail = f"{code}: {text}"[:300]
    return PermanentError(detail) if code >= 500 else TransientError(detail)
