"""What the household draws, circuit by circuit, by local time, weather and habit. Home power is their sum."""

from __future__ import annotations

from typing import Final

import numpy as np

from telemetry.simulator.noise import Floats, Integers, Seeds, smooth, uniform

CIRCUITS: Final = (
    "air_conditioner",
    "oven",
    "cooktop",
    "dryer",
    "ev_charger",
    "water_heater",
    "lights_and_outlets",
)
"""Named circuits in the order of every circuit array. The air conditioner is a heat pump: it heats in winter too."""

OVEN_WATTS: Final = 5000.0
COOKTOP_WATTS: Final = 2800.0
DRYER_WATTS: Final = 5300.0
WATER_HEATER_WATTS: Final = 4500.0


class Household:
    """Circuits of N homes as a function of time."""

    def __init__(self, seeds: Seeds, air_conditioner_watts: Floats, ev_charger_watts: Floats) -> None:
        self._seeds = seeds
        self._air_conditioner_watts = air_conditioner_watts
        self._ev_charger_watts = ev_charger_watts

    def circuit_watts(self, minute: Integers, local_s: Floats, outdoor_celsius: Floats) -> Floats:
        """Watts of each circuit, shape (T, C, N), from minutes (T, 1), local seconds and weather (T, N)."""
        hour = local_s % 86400.0 / 3600.0
        day = np.floor(local_s / 86400.0)
        dinner = self._start(day, 10, 17.3, 1.7)
        parts = (
            self._air_conditioner(minute, hour, outdoor_celsius),
            self._oven(minute, hour, day, dinner),
            COOKTOP_WATTS * self._runs(hour, dinner + 0.25, 0.45) * self._chance(day, 12, 0.7),
            self._dryer(hour, day),
            self._ev_charger(hour, day),
            self._water_heater(minute, hour),
            self._lights(minute, hour, day),
        )
        return np.stack(np.broadcast_arrays(*parts), axis=1)

    def _start(self, day: Floats, salt: int, earliest: float, spread: float) -> Floats:
        return earliest + spread * uniform(self._seeds, salt, day)

    def _chance(self, day: Floats, salt: int, probability: float) -> Floats:
        return np.asarray(uniform(self._seeds, salt, day) < probability, dtype=np.float64)

    @staticmethod
    def _runs(hour: Floats, start: Floats, duration: float | Floats) -> Floats:
        return np.asarray((hour >= start) & (hour < start + duration), dtype=np.float64)

    def _air_conditioner(self, minute: Integers, hour: Floats, outdoor_celsius: Floats) -> Floats:
        cooling = np.clip((outdoor_celsius - 23.5) / 15.0, 0.0, 1.0)
        heating = 0.75 * np.clip((16.0 - outdoor_celsius) / 13.0, 0.0, 1.0)
        away = np.where((hour > 9) & (hour < 16), 0.8, 1.0)
        # A compressor runs in cycles of eight minutes, not at a fraction of its power.
        runs = uniform(self._seeds, 20, minute // 8) < (cooling + heating) * away
        strength = 0.92 + 0.08 * smooth(self._seeds, 21, minute / 30.0)
        return np.asarray(self._air_conditioner_watts * runs * strength)

    def _oven(self, minute: Integers, hour: Floats, day: Floats, dinner: Floats) -> Floats:
        duration = 0.5 + 0.9 * uniform(self._seeds, 30, day)
        bakes = self._runs(hour, dinner, duration) * self._chance(day, 31, 0.75)
        preheats = hour < dinner + 0.2
        element_on = preheats | (uniform(self._seeds, 32, minute // 2) < 0.55)
        return OVEN_WATTS * bakes * element_on

    def _dryer(self, hour: Floats, day: Floats) -> Floats:
        start = self._start(day, 40, 10.0, 9.5)
        heats = self._runs(hour, start, 0.7) * self._chance(day, 41, 0.5)
        tumbles = self._runs(hour, start + 0.7, 0.12) * self._chance(day, 41, 0.5)
        return DRYER_WATTS * heats + 300.0 * tumbles

    def _ev_charger(self, hour: Floats, day: Floats) -> Floats:
        """Plugged in after work, mostly; a charge that began yesterday may run past midnight."""
        charges = np.zeros_like(hour)
        for days_ago in (0, 1):
            since = day - days_ago
            start = self._start(since, 50, 17.2, 2.0) - 24.0 * days_ago
            duration = 0.4 + 1.1 * uniform(self._seeds, 51, since)
            charges += self._runs(hour, start, duration) * self._chance(since, 52, 0.8)
        return self._ev_charger_watts * np.minimum(charges, 1.0)

    def _water_heater(self, minute: Integers, hour: Floats) -> Floats:
        busy = 0.25 * _bump(hour, 7.0, 0.8) + 0.5 * _bump(hour, 18.8, 1.1) + 0.02
        return np.asarray(WATER_HEATER_WATTS * (uniform(self._seeds, 60, minute // 10) < busy), dtype=np.float64)

    def _lights(self, minute: Integers, hour: Floats, day: Floats) -> Floats:
        shape = 200.0 + 800.0 * _bump(hour, 20.0, 2.6) + 300.0 * _bump(hour, 7.2, 1.3) + 100.0 * _bump(hour, 13.0, 3.0)
        day_to_day = 0.75 + 0.5 * uniform(self._seeds, 70, day)
        moment = 1.0 + 0.25 * smooth(self._seeds, 71, minute / 12.0)
        return np.asarray(shape * day_to_day * moment)


def _bump(hour: Floats, centre: float, width: float) -> Floats:
    """A daily hump of height 1 around a local hour, continuous over midnight."""
    distance = np.abs((hour - centre + 12.0) % 24.0 - 12.0)
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2))
