from telemetry.models.series import Circuit, OtherSeries
from telemetry.models.states import GpuXid, NodeClock, NodeStateSpan, NodeStatusRow

__all__ = ["Circuit", "GpuXid", "NodeClock", "NodeStateSpan", "NodeStatusRow", "OtherSeries"]
