"""What a node's dcgm-exporter is scraped for: the series in the exporter's order, and plausible moving values.

Sources: NVIDIA dcgm-exporter's default counters and its text output, which is metric-major; Prometheus' scrape adds
`instance` and `job` and sorts the labels by name.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

GPUS: Final = 16
METRICS: Final = (
    "DCGM_FI_DEV_SM_CLOCK",
    "DCGM_FI_DEV_MEM_CLOCK",
    "DCGM_FI_DEV_MEMORY_TEMP",
    "DCGM_FI_DEV_GPU_TEMP",
    "DCGM_FI_DEV_POWER_USAGE",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_MEM_COPY_UTIL",
    "DCGM_FI_DEV_ENC_UTIL",
    "DCGM_FI_DEV_DEC_UTIL",
    "DCGM_FI_DEV_XID_ERRORS",
    "DCGM_FI_DEV_FB_FREE",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_ROW_REMAP_FAILURE",
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
    "DCGM_FI_PROF_DRAM_ACTIVE",
)
LAST_METRIC: Final = METRICS[-1]
ENERGY: Final = METRICS.index("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION")
SAMPLES_PER_SCRAPE: Final = GPUS * len(METRICS)
INTERVAL_MS: Final = 5000
JOB: Final = "dcgm"

_MEMORY_MIB = 97_887


def hostname(node: int) -> str:
    return f"xfra-{node:05d}"


def gpu_uuid(node: int, gpu: int) -> str:
    return f"GPU-{node:08x}-7a31-4c5e-9f20-{gpu:012x}"


def labels(node: int, metric: str, gpu: int) -> dict[str, str]:
    """One series' ten labels, in the order in which Prometheus sends them."""
    found = {
        "__name__": metric,
        "DCGM_FI_DRIVER_VERSION": "580.95.05",
        "Hostname": hostname(node),
        "UUID": gpu_uuid(node, gpu),
        "device": f"nvidia{gpu}",
        "gpu": str(gpu),
        "instance": f"{hostname(node)}:9400",
        "job": JOB,
        "modelName": "NVIDIA RTX PRO 6000 Blackwell Server Edition",
        "pci_bus_id": f"00000000:{0x10 + gpu:02X}:00.0",
    }
    return dict(sorted(found.items()))


def values(node: int, ticks: int) -> Float64s:
    """A (ticks, metrics, GPUs) array, rounded as the exporter prints it. Energy counts upwards from the first tick."""
    random = np.random.default_rng(node)
    busy = _walk(random, ticks)
    noise = random.normal(size=(5, ticks, GPUS))
    watts = np.round(np.where(busy > 0, 95 + 480 * busy + 9 * noise[0], 31 + noise[0]), 3)
    temperature = np.round(34 + 30 * busy + noise[1])
    used = np.round(_MEMORY_MIB * np.where(busy > 0, 0.55 + 0.3 * random.random(GPUS), 0.004))
    energy = np.round(random.uniform(1e11, 9e11, GPUS) + np.cumsum(watts * INTERVAL_MS, axis=0))
    zero = np.zeros((ticks, GPUS))
    table = {
        "DCGM_FI_DEV_SM_CLOCK": np.where(busy > 0, np.round((2100 + 330 * busy + 20 * noise[2]) / 15) * 15, 180),
        "DCGM_FI_DEV_MEM_CLOCK": np.where(busy > 0, 12_481, 405),
        "DCGM_FI_DEV_MEMORY_TEMP": temperature + 4,
        "DCGM_FI_DEV_GPU_TEMP": temperature,
        "DCGM_FI_DEV_POWER_USAGE": watts,
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": energy,
        "DCGM_FI_DEV_GPU_UTIL": np.round(100 * busy),
        "DCGM_FI_DEV_MEM_COPY_UTIL": np.round(60 * busy),
        "DCGM_FI_DEV_FB_FREE": _MEMORY_MIB - used,
        "DCGM_FI_DEV_FB_USED": used,
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": zero + (random.random(GPUS) < 0.03),
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE": _share(busy + 0.01 * noise[3]) * (busy > 0),
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": _share(0.45 * busy + 0.01 * noise[4]) * (busy > 0),
        "DCGM_FI_PROF_DRAM_ACTIVE": _share(0.6 * busy + 0.01 * noise[2]) * (busy > 0),
    }
    return np.stack([table.get(metric, zero) for metric in METRICS], axis=1)


def _walk(random: np.random.Generator, ticks: int) -> Float64s:
    """How busy each GPU is, 0..1: most hold a job whose load wanders, some idle."""
    steps = np.cumsum(random.normal(scale=0.03, size=(ticks, GPUS)), axis=0)
    busy = np.clip(random.uniform(0.4, 0.95, GPUS) + steps, 0.05, 1.0)
    return np.where(random.random(GPUS) < 0.12, 0.0, busy)


def _share(ratio: Float64s) -> Float64s:
    return np.clip(ratio, 0.0, 1.0).round(6)
