"""Marks that the sweeps leave behind, so that their silence is noticed."""

from datetime import datetime

from jobs.models import SweepBeat


def mark(name: str, now: datetime) -> None:
    """Note that the sweep `name` (its Celery task) came to its end at `now`. One statement, safe to race."""
    SweepBeat.objects.bulk_create(
        [SweepBeat(name=name, at=now)], update_conflicts=True, unique_fields=["name"], update_fields=["at"]
    )


def ages(now: datetime) -> dict[str, float]:
    """Seconds since each sweep last came to its end, by its Celery task's name; one that never did is not there."""
    return {beat.name: max(0.0, (now - beat.at).total_seconds()) for beat in SweepBeat.objects.all()}
