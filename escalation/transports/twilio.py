"""Text messages through Twilio's REST API (Messages resource, version 2010-04-01)."""

import json
from dataclasses import dataclass, field
from typing import Any

from escalation.transports.base import Message, PermanentError, Receipt, TransientError
from escalation.transports.http import Answer, ask, refuse

_NEVER_SENT = {"failed", "undelivered", "canceled"}


@dataclass(frozen=True)
class Twilio:
    """One account and the number that it sends from."""

    account: str
    token: str = field(repr=False)
    sender: str
    base_url: str = "https://api.twilio.com"
    name: str = "twilio"

    def deliver(self, message: Message) -> Receipt:
        """Create a message there. Raises TransientError (429, 5xx, no answer) or PermanentError (other refusals)."""
        answer = ask(
            "POST",
            f"{self.base_url}/2010-04-01/Accounts/{self.account}/Messages.json",
            data={"To": message.to, "From": self.sender, "Body": message.text},
            auth=(self.account, self.token),
        )
        body = _members(answer)
        if answer.status not in {200, 201}:
            raise refuse(answer, _complaint(body))
        if not isinstance(body.get("sid"), str):
            raise TransientError(f"{answer.status}: an answer without the message's sid.")
        if body.get("status") in _NEVER_SENT:
            raise PermanentError(f"{body['status']}: {_complaint(body)}"[:300])
        return Receipt(provider_id=body["sid"][:150], detail=str(body.get("status", ""))[:300])


def _members(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _complaint(body: dict[str, Any]) -> str:
    """Twilio's own words (`code` is its error code, see its error dictionary)."""
    code = body.get("code") or body.get("error_code") or ""
    return f"{body.get('message') or body.get('error_message') or 'refused'} {code}".strip()
