"""A fleet of simulated XFRA nodes: a separate program, as a node would be.

It knows nothing of the portal but the metric names in `telemetry.catalogue`, and no Django. What it
makes is simulated, and whoever shows it has to say so.
"""
