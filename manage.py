#!/usr/bin/env python
"""Choreo's command line: `manage.py up` runs it all; the rest is Django's."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "choreo_web.settings")
    execute_from_command_line(sys.argv)
