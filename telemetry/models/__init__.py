from telemetry.models.series import Circuit, OtherSeries
from telemetry.models.states import NodeStateSpan, NodeStatusRow

__all__ = ["Circuit", "NodeStateSpan", "NodeStatusRow", "OtherSeries"]
