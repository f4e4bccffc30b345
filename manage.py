#!/usr/bin/env python
"""Django's command line. Commands act as the system, not as a person: see homes.access."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xfra_portal.settings")
    os.environ.setdefault("XFRA_ACCESS", "system")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
