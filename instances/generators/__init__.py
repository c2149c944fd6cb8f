"""Seeded generators: the same arguments give the same instance, on every machine."""
