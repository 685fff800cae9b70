"""Join a Choreo job from any Python service."""

from choreo_client import webhooks
from choreo_client.api import Choreo, Progress, Versioned
from choreo_client.correlation import (
    Correlation,
    correlated,
    current,
    from_headers,
    outgoing_headers,
)
from choreo_client.entries import Entry
from choreo_client.errors import (
    ChoreoError,
    Problem,
    SignatureError,
    Unreachable,
    UnreadableAnswer,
)
from choreo_client.fallback import DEFAULT_POLICY, ONE_ATTEMPT, Outcome, RetryPolicy, backoff, next_delay
from choreo_client.lease import Lease
from choreo_client.merge import merge_patch
from choreo_client.outbox import Outbox
from choreo_client.replay import Expired, QueueOptions, ReplayQueue, TryAgain

__all__ = [
    "DEFAULT_POLICY",
    "ONE_ATTEMPT",
    "Choreo",
    "ChoreoError",
    "Correlation",
    "Entry",
    "Expired",
    "Lease",
    "Outbox",
    "Outcome",
    "Problem",
    "Progress",
    "QueueOptions",
    "ReplayQueue",
    "RetryPolicy",
    "SignatureError",
    "TryAgain",
    "Unreachable",
    "UnreadableAnswer",
    "Versioned",
    "backoff",
    "correlated",
    "current",
    "from_headers",
    "merge_patch",
    "next_delay",
    "outgoing_headers",
    "webhooks",
]
