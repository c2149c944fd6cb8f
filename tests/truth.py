"""What is right, in fractions: numbers read as written, placements enumerated, nothing taken from the package's tables."""

from fractions import Fraction
from itertools import pairwise, product


def read(value):
    """Return the decimal that a float denotes."""
    return Fraction(repr(float(value)))


def hop(cluster, size, sender, receiver):
    """Return the seconds of a message, or None without a link."""
    if sender == receiver:
        return Fraction(0)
    rate = read(cluster.bandwidth_bytes_per_s[sender, receiver])
    return size / rate + read(cluster.latency_s[sender, receiver]) if rate else None


def dilemma(instance):
    """Return the least delay of a DILEMMA instance, or None without a placement."""
    size = instance.cluster.size
    choices = list(product(range(size), range(len(instance.bit_widths))))
    delays = (
        _delay(instance, p) for p in product(choices, repeat=len(instance.layers)) if _keeps(instance, p)
    )
    return min((delay for delay in delays if delay is not None), default=None)


def _keeps(instance, placement):
    errors = [
        read(row[width]) for row, (_, width) in zip(instance.quantization_error, placement, strict=True)
    ]
    if instance.max_error is not None and max(errors) > read(instance.max_error):
        return False
    if instance.error_budget is not None and sum(errors) > read(instance.error_budget):
        return False
    space = [8 * int(size) for size in instance.cluster.memory_bytes]
    need = [
        (server, layer.parameters * instance.bit_widths[width])
        for layer, (server, width) in zip(instance.layers, placement, strict=True)
    ]
    if instance.mode == "as-printed":
        return len({server for server, _ in need}) == len(need) and all(n <= space[i] for i, n in need)
    return all(sum(n for i, n in need if i == server) <= room for server, room in enumerate(space))


def _delay(instance, placement):
    total = Fraction(0)
    for layer, (server, width) in zip(instance.layers, placement, strict=True):
        bits = Fraction(instance.bit_widths[width], layer.original_bits)
        total += read(layer.flops) / read(instance.cluster.flops_per_s[server]) * bits
    for layer, ((i, b), (j, c)) in zip(instance.layers, pairwise(placement), strict=False):
        time = hop(instance.cluster, read(layer.output_elements) * instance.bit_widths[b] / 8, i, j)
        if time is None:
            return None
        total += 0 if instance.mode == "as-printed" and b != c else time
    return total * instance.tokens


def edgeshard(instance):
    """Return the least latency, or the least bottleneck of a pipeline, or None without a placement."""
    count, size = len(instance.layers), instance.cluster.size
    placements = ((instance.source, *rest) for rest in product(range(size), repeat=count - 1))
    times = (_time(instance, placement) for placement in placements)
    return min((time for time in times if time is not None), default=None)


def _time(instance, placement):
    cluster, devices = instance.cluster, range(instance.cluster.size)
    hosted = {j: [i for i, device in enumerate(placement) if device == j] for j in devices}
    if any(
        sum(instance.layers[i].memory_bytes for i in hosted[j]) > cluster.memory_bytes[j] for j in devices
    ):
        return None
    hops = [
        hop(cluster, read(layer.output_bytes), k, j)
        for layer, (k, j) in zip(instance.layers, pairwise(placement), strict=False)
    ]
    if instance.return_bytes:
        hops.append(hop(cluster, read(instance.return_bytes), placement[-1], instance.source))
    if None in hops:
        return None
    compute = {j: sum(read(instance.compute_time_s[i, j]) for i in hosted[j]) for j in devices}
    if instance.problem == "edgeshard-latency":
        return sum(compute.values()) + sum(hops)
    if any(hosted[j] and hosted[j][-1] - hosted[j][0] >= len(hosted[j]) for j in devices):
        return None
    return max(*compute.values(), *hops, Fraction(0))
