"""DILEMMA: which server runs which layer of a model, and with how many bits.

Source: Hosseinzadeh and Khamfroush (2025).

Sets
    layers ``l = 0..L-1``, servers ``i, j = 0..M-1``, bit-widths ``b``.

Parameters
----------
    ``FL_l`` FLOP per token, ``F_i`` FLOP/s, ``pr_l`` original bits, ``W_l`` weights, ``A_l`` output elements,
    ``Omega_ij`` bandwidth, ``kappa_i`` storage, ``error[l,b]``, ``delta`` and ``epsilon``, tokens ``n``.
Variables
    ``x_lib``: layer l runs on server i with b bits.
Objective
    the compute times ``n (FL_l / F_i)(b / pr_l)`` (Eq. 3), and the transfers ``n A_l b_l / Omega_ij`` between
    consecutive layers on different servers, with the sender's bits (Eq. 4).
Constraints
    one server and one width per layer (2c); storage (2e); the error of each layer (5), or of all in sum (2g).

Two modes. ``corrected``: storage is cumulative per server, every transfer counts, a server may host any number of
layers. ``as-printed``: storage holds per layer (2e), a server hosts at most one layer (2d), and a transfer counts
only between layers of the same width (2f), so that alternating widths makes hops free.
"""

from placewise.models.dilemma.cost import delay_costs
from placewise.models.dilemma.data import Dilemma, DilemmaInstance, QuantizableLayer
from placewise.models.dilemma.milp import delay_milp
from placewise.models.dilemma.placement import evaluate

__all__ = ["Dilemma", "DilemmaInstance", "QuantizableLayer", "delay_costs", "delay_milp", "evaluate"]
