"""Who is called, and in which order."""

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

E164 = r"^\+[1-9][0-9]{6,14}$"


def known_time_zone(value: str) -> None:
    """Raises ValidationError for what is no IANA time zone."""
    if value not in available_timezones():
        raise ValidationError(f"{value} is not a time zone such as Europe/Paris.")


class Contact(models.Model):
    """A person, or a group that shares an address. With neither an email address nor a phone nobody can be called."""

    name = models.CharField(max_length=100)
    email = models.EmailField(blank=True)
    phone = models.CharField(
        max_length=16,
        blank=True,
        validators=[RegexValidator(E164, "A number in international form, such as +15550100123.")],
        help_text="For text messages, in international form: +15550100123.",
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[known_time_zone])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Policy(models.Model):
    """Who is called when an incident opens. One is the default, for all that no other rule takes."""

    name = models.CharField(max_length=100, unique=True)
    is_default = models.BooleanField(default=False)
    repeats = models.PositiveSmallIntegerField(
        default=2, help_text="How often the steps begin again while nobody answers."
    )
    repeat_minutes = models.PositiveSmallIntegerField(
        default=30, help_text="Minutes from the last step until they begin again."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-is_default", "name"]
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="policy_one_default"
            ),
            models.CheckConstraint(
                condition=models.Q(repeats__lte=100, repeat_minutes__gte=1, repeat_minutes__lte=10080),
                name="policy_repeat_bounds",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PolicyStep(models.Model):
    """One step: these contacts are called `wait_minutes` after the step before; the first one is called at once."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    wait_minutes = models.PositiveSmallIntegerField(
        default=0, help_text="Minutes after the step before. The first step is called at once, whatever stands here."
    )
    contacts = models.ManyToManyField(Contact, blank=True, related_name="policy_steps")

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "position"], name="step_once_per_position"),
            models.CheckConstraint(condition=models.Q(wait_minutes__lte=10080), name="step_wait_bounds"),
        ]

    def __str__(self) -> str:
        return f"step {self.position} of {self.policy}"
