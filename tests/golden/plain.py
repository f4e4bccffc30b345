"""Remote-write 1.0 read by the protobuf library alone: what a body means, without any of the portal's own code."""

from __future__ import annotations

from collections import Counter

import cramjam

from tests.golden.recording import Samples, value_of
from tests.telemetry.messages import WriteRequest


def read(body: bytes) -> tuple[Samples, Counter[str]]:
    """The samples, and how many exemplars, native histograms and entries of metadata there are."""
    request = WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    samples: Samples = {}
    others = Counter({"metadata": len(request.metadata)})
    for series in request.timeseries:
        labels = {label.name: label.value for label in series.labels}
        metric = labels.pop("__name__")
        others.update(exemplars=len(series.exemplars), histograms=len(series.histograms))
        for sample in series.samples:
            key = metric, tuple(sorted(labels.items())), sample.timestamp
            assert key not in samples, f"twice in one body: {key}"
            samples[key] = value_of(sample.value)
    return samples, +others
