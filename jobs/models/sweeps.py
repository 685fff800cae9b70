"""When each of Choreo's own sweeps last came to its end."""

from django.db import models


class SweepBeat(models.Model):
    """One row a sweep, by the name of its Celery task: proof, for whoever asks, that deadlines are being watched."""

    name = models.CharField(max_length=100, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"
