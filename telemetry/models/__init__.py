from telemetry.models.series import Circuit, OtherSeries
from telemetry.models.states import GpuXid, NodeStateSpan, NodeStatusRow

__all__ = ["Circuit", "GpuXid", "NodeStateSpan", "NodeStatusRow", "OtherSeries"]
