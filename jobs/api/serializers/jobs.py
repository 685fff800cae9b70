"""Bodies of jobs and their plans."""

from typing import Any

from rest_framework import serializers

from jobs.api.fields import Choice, Name, Seconds, Text, Whole
from jobs.api.serializers.base import Body
from jobs.domain.states import JOB_CLIENT_STATUSES, JobStatus, OnTaskFailure

MAX_STEPS = 200
MAX_ATTEMPTS = 20
"""Attempts of one step; with exponential backoff the worst case doubles with each."""


class PlanStepBody(Body):
    """One step of a plan: how long it may take at worst."""

    taskName = Name(help_text="The name of the task that does this step.")
    attempts = Whole(low=1, high=MAX_ATTEMPTS, required=False, allow_null=True, help_text="Tries in all; 1 by default.")
    timeout = Seconds(low=0, required=False, allow_null=True, help_text="Seconds until one attempt is given up.")
    delay = Seconds(low=0, required=False, allow_null=True, help_text="Seconds before the second attempt.")
    backoff = Choice(
        ["constant", "exponential"],
        required=False,
        allow_null=True,
        help_text="Does the delay stay (the default), or double from attempt to attempt?",
    )
    undo = Seconds(low=0, required=False, allow_null=True, help_text="Seconds that undoing the step takes.")

    def validate(self, attrs: Any) -> Any:
        """A patch of the job replaces the plan as a whole, so its steps are complete even there."""
        if "taskName" not in attrs:
            raise serializers.ValidationError({"taskName": "This field is required."})
        return attrs


class JobBody(Body):
    """A job, as its initiator writes it."""

    jobName = Name(source="name", help_text="What kind of job this is; the same for all of its kind.")
    jobDescription = Text(source="description", max_length=10_000, required=False, allow_null=True)
    jobMaxTTL = Seconds(
        source="max_ttl", required=False, allow_null=True, help_text="Seconds from its start to its deadline."
    )
    jobStatus = Choice(
        [status.value for status in JobStatus if status in JOB_CLIENT_STATUSES],
        source="status",
        required=False,
        allow_null=True,
        help_text="`working` for a new job, else as it is, by default.",
    )
    jobOnTaskFailure = Choice(
        [choice.value for choice in OnTaskFailure],
        source="on_task_failure",
        required=False,
        allow_null=True,
        help_text="What a failed task does: cancel the job and revert its tasks (the default), or only alert.",
    )
    jobPlan = serializers.ListSerializer[Any](
        child=PlanStepBody(), source="plan", required=False, allow_null=True, max_length=MAX_STEPS
    )

    def validate_jobPlan(self, value: Any) -> Any:
        """Plain objects, as they are stored."""
        return [dict(step) for step in value]


class CancellationBody(serializers.Serializer[Any]):
    """Nothing is read from it; it may be empty."""
