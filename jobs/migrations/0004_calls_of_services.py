from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import OuterRef, Subquery


def name_the_service(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Each call belongs to its task's service. What a worker holds is given back: no claim had a slot so far, and to
    make a call again under its idempotency key does no harm."""
    call, task = apps.get_model("jobs", "Call"), apps.get_model("jobs", "Task")
    service = task.objects.filter(pk=OuterRef("task_id")).values("service_id")[:1]
    call.objects.update(service_id=Subquery(service))
    call.objects.filter(status="running").update(status="pending", lease_until=None, lease_token=None)


class Migration(migrations.Migration):
    # Alone, for PostgreSQL alters no table in a transaction that has changed its rows.
    dependencies = [("jobs", "0003_replay_queue")]
    operations = [migrations.RunPython(name_the_service, migrations.RunPython.noop)]
