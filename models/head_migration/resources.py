"""What a trajectory of heads is short of: memory, speed and links over time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from placewise.models.resources import (
    Resource,
    cluster_resources,
    scaled_bandwidth,
    scaled_cluster,
    scaled_entries,
    scaled_memory,
)

if TYPE_CHECKING:
    from placewise.models.head_migration.data import HeadMigrationInstance
    from placewise.models.head_migration.decoder import DecoderInstance


def resources(instance: HeadMigrationInstance) -> list[Resource]:
    """Return memory, speed and links of each device, and each link: the least of all intervals."""
    least = replace(
        instance.cluster,
        memory_bytes=instance.memory_bytes.min(axis=0),
        bandwidth_bytes_per_s=instance.bandwidth_bytes_per_s.min(axis=0),
    )
    return cluster_resources(least)


def decoder_resources(instance: DecoderInstance) -> list[Resource]:
    """Return what the devices of several layers have."""
    return resources(instance.layer)


def scaled(instance: HeadMigrationInstance, resource: Resource, factor: float) -> HeadMigrationInstance:
    """Return an instance with so much more (or less) of a resource in every interval.

    Parameters
    ----------
    instance : HeadMigrationInstance
        As it is.
    resource : Resource
        Memory, speed or links.
    factor : float
        Above 0; infinite for no limit, or a free link.
    """
    before = instance.over_time
    if resource.kind == "memory":
        now = replace(before, memory_bytes=scaled_memory(instance.memory_bytes, resource, factor))
    elif resource.kind == "speed":
        now = replace(before, flops_per_s=scaled_entries(instance.flops_per_s, resource, factor))
        if instance.time_model != "flops":
            instance = replace(instance, cluster=scaled_cluster(instance.cluster, resource, factor))
    else:
        bandwidth = scaled_bandwidth(instance.bandwidth_bytes_per_s, resource, factor)
        now = replace(before, bandwidth_bytes_per_s=bandwidth)
    return replace(instance, over_time=now)


def scaled_decoder(instance: DecoderInstance, resource: Resource, factor: float) -> DecoderInstance:
    """Return several layers on devices with so much more (or less) of a resource.

    Parameters
    ----------
    instance : DecoderInstance
        As it is.
    resource : Resource
        Memory, speed or links.
    factor : float
        Above 0; infinite for no limit, or a free link.
    """
    return replace(instance, layer=scaled(instance.layer, resource, factor))
