"""Placements for people: as text on a terminal, and as a graph of devices in a report."""
