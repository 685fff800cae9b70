"""Text messages through a Kannel gateway's sendsms interface (Kannel's user guide, "SMS push")."""

from dataclasses import dataclass, field

from escalation.transports.base import Message, Receipt
from escalation.transports.http import ask, refuse

_ACCEPTED = ("0:", "3:", "Sent.")
"""Accepted for delivery; queued for later delivery; and what older versions say."""


@dataclass(frozen=True)
class Kannel:
    """One gateway and the login of its `sendsms-user` group."""

    base_url: str
    username: str
    password: str = field(repr=False)
    sender: str = ""
    name: str = "kannel"

    def deliver(self, message: Message) -> Receipt:
        """Push the message. Raises TransientError (503 "temporal failure", no answer) or PermanentError."""
        query = {
            "username": self.username,
            "password": self.password,
            "to": message.to,
            "text": message.text,
            "coding": "0",  # GSM 7-bit, which the text was made for
            "charset": "UTF-8",
        }
        if self.sender:
            query["from"] = self.sender
        answer = ask("GET", f"{self.base_url}/cgi-bin/sendsms", params=query)
        if answer.status in {200, 202} and answer.text.startswith(_ACCEPTED):
            return Receipt(detail=answer.text[:300])
        raise refuse(answer, answer.text[:200] or "refused")
