import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0004_calls_of_services'),
    ]

    operations = [
        migrations.AlterField(
            model_name='call',
            name='service',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='calls', to='jobs.service'),
        ),
        migrations.AddConstraint(
            model_name='call',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'running'), _negated=True), models.Q(('lease_token__isnull', False), ('lease_until__isnull', False), ('slot__isnull', False)), _connector='OR'), name='call_running_has_lease'),
        ),
    ]
