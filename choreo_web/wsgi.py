"""WSGI entry point: `granian --interface wsgi choreo_web.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "choreo_web.settings")

application = get_wsgi_application()
