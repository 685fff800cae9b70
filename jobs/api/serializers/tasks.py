"""Bodies of tasks."""

from jobs.api.fields import Choice, Name, Seconds, Text, Truth, Url, Uuid
from jobs.api.serializers.base import Body
from jobs.domain.states import TASK_CLIENT_STATUSES, TaskStatus


class TaskBody(Body):
    """A task, as its service writes it."""

    taskName = Name(source="name")
    taskDescription = Text(source="description", max_length=10_000, required=False, allow_null=True)
    taskStatus = Choice(
        [status.value for status in TaskStatus if status in TASK_CLIENT_STATUSES],
        source="status",
        required=False,
        allow_null=True,
        help_text="`working` for a new task, else as it is, by default.",
    )
    taskMaxTTL = Seconds(
        source="max_ttl", required=False, allow_null=True, help_text="Seconds from its start until it counts as failed."
    )
    taskCausedBy = Uuid(source="caused_by", required=False, allow_null=True, help_text="The taskID it reacted to.")
    taskStateChanged = Truth(
        source="state_changed",
        required=False,
        allow_null=True,
        help_text="Does it leave something behind that has to be reverted? true by default.",
    )
    taskMessage = Text(
        source="message", max_length=500, required=False, allow_null=True, help_text="Shown to operators only."
    )
    taskURL = Url(source="url", required=False, allow_null=True, help_text="The task at its service.")
    taskCancelURL = Url(source="cancel_url", required=False, allow_null=True, help_text="PUT there to stop it.")
    taskRevertURL = Url(source="revert_url", required=False, allow_null=True, help_text="PUT there to undo it.")
