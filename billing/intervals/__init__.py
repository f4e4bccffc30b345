"""Registers to readings: pure arithmetic, no Django. Wh are whole numbers, a day is an array of quarter-hours."""
