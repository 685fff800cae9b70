"""Text messages that are printed: what there is before a provider is set up."""

import sys
from dataclasses import dataclass

from escalation.transports.base import Message, Receipt


@dataclass(frozen=True)
class Console:
    """Prints to standard output, in one write so that nothing comes between."""

    name: str = "printed SMS"

    def deliver(self, message: Message) -> Receipt:
        """Print it."""
        sys.stdout.write(f"--- SMS to {message.to} ---\n{message.text}\n---\n")
        sys.stdout.flush()
        return Receipt()
