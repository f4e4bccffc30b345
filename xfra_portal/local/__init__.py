"""The one-command local stack: real servers and the portal's own processes under one supervisor.

Nothing here imports Django. `bootstrap.py`, `launcher.py` and `guardian.py` are run as plain scripts and need
nothing but the standard library: the first runs before the virtual environment exists.
"""
