"""`make bench`: the portal beside Prometheus and VictoriaMetrics on the same machine, with the same bodies."""
