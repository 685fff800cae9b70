"""ASGI entry point, for servers that speak nothing else; Choreo's views are synchronous."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "choreo_web.settings")

application = get_asgi_application()
