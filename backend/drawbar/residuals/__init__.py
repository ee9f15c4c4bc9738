"""Clips -> what the model's residual stream holds at each frame, streamed, mixed or kept on disk."""

from drawbar.residuals.harvest import Clip, ResidualModel, harvest
from drawbar.residuals.mixing import MixedBatches
from drawbar.residuals.rows import MemoryRows, RowSource, ShardRows, StreamedRows
from drawbar.residuals.scale import NormReport, norm_report, usable_rows
from drawbar.residuals.shards import ShardSet, to_half, write_shard

__all__ = [
    "Clip",
    "MemoryRows",
    "MixedBatches",
    "NormReport",
    "ResidualModel",
    "RowSource",
    "ShardRows",
    "ShardSet",
    "StreamedRows",
    "harvest",
    "norm_report",
    "to_half",
    "usable_rows",
    "write_shard",
]
