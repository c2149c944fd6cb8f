"""Head-level placement with migration: heads that move.

Source: Kafetzis, Khalili and Koutsopoulos (2025), "Large Language Model Partitioning for Low-Latency Inference at the Edge".

- **Sets**: devices ``j``, intervals ``t``, blocks: H equal heads, the projection, the feed-forward network.
- **Data**: Table I by sequence length; memory ``M_j(t)``, speed ``C_j(t)``, bandwidth ``R_jk(t)``.
- **Variables**: the device of each block in each interval.
- **Objective**: the sum of inference delays (6), weighted by the tokens of an interval, and of migration delays
  (2), (7).
- **Constraints**: each block on one device; memory of each device in each interval (1); links for messages and
  moves.
"""

from placewise.models.head_migration.blocks import HeadTransformer, block_demands
from placewise.models.head_migration.cost import head_costs
from placewise.models.head_migration.data import HeadMigration, HeadMigrationInstance, Interval
from placewise.models.head_migration.decoder import DecoderInstance, HeadMigrationDecoder
from placewise.models.head_migration.decoder import evaluate as evaluate_decoder
from placewise.models.head_migration.decoder_milp import decoder_milp
from placewise.models.head_migration.milp import horizon_milp
from placewise.models.head_migration.modes import modes_milp
from placewise.models.head_migration.over_time import DevicesOverTime
from placewise.models.head_migration.placement import evaluate

__all__ = [
    "DecoderInstance",
    "DevicesOverTime",
    "HeadMigration",
    "HeadMigrationDecoder",
    "HeadMigrationInstance",
    "HeadTransformer",
    "Interval",
    "block_demands",
    "decoder_milp",
    "evaluate",
    "evaluate_decoder",
    "head_costs",
    "horizon_milp",
    "modes_milp",
]
