"""Green Button (ESPI 3.3): interval data out to a home's people and in from its utility. Pure: no Django."""
