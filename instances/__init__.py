"""Where data comes from: the file format, shipped instances, generators, and a catalogue of devices and models."""

from placewise.instances.files import read, to_document, write
from placewise.instances.generation import generate
from placewise.instances.identity import instance_hash
from placewise.instances.importers.conversion import convert
from placewise.instances.shipped import shipped_instances

__all__ = ["convert", "generate", "instance_hash", "read", "shipped_instances", "to_document", "write"]
