"""The one clock that decides deadlines, start and stop times: the database's."""

from datetime import UTC, datetime

from django.db import connection


def database_now() -> datetime:
    """The database's wall clock now, in UTC; the application hosts' own clocks may be off without harm."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            moment: datetime = cursor.fetchone()[0]
        return moment.astimezone(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)
