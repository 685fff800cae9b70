#!/usr/bin/env python
"""Choreo's command line: `manage.py up` runs it all; the rest is Django's."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from choreo_web.launch import prepare

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "choreo_web.settings")
    prepare(sys.argv[1:])
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Choreo cannot start: {error}")
