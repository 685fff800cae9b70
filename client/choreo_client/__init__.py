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
from choreo_client.dependency import Dependency, Queued
from choreo_client.entries import Entry
from choreo_client.errors import (
    ChoreoError,
    Problem,
    SignatureError,
    Unreachable,
    UnreadableAnswer,
)
from choreo_client.ladder import DEFAULT_POLICY, ONE_ATTEMPT, Policy
from choreo_client.lease import Lease
from choreo_client.merge import merge_patch
from choreo_client.outbox import Outbox
from choreo_client.registry import Registry
from choreo_client.replay import Expired, QueueOptions, ReplayQueue, TryAgain
from choreo_client.walk import GaveUp

__all__ = [
    "DEFAULT_POLICY",
    "ONE_ATTEMPT",
    "Choreo",
    "ChoreoError",
    "Correlation",
    "Dependency",
    "Entry",
    "Expired",
    "GaveUp",
    "Lease",
    "Outbox",
    "Policy",
    "Problem",
    "Progress",
    "QueueOptions",
    "Queued",
    "Registry",
    "ReplayQueue",
    "SignatureError",
    "TryAgain",
    "Unreachable",
    "UnreadableAnswer",
    "Versioned",
    "correlated",
    "current",
    "from_headers",
    "merge_patch",
    "outgoing_headers",
    "webhooks",
]
