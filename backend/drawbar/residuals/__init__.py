"""Clips -> what the model's residual stream holds at each frame, streamed, mixed or kept on disk."""

from drawbar.residuals.harvest import Clip, ResidualBatch, ResidualModel, harvest
from drawbar.residuals.mixing import MixedBatches
from drawbar.residuals.rows import MemoryRows, RowSource, ShardRows, StreamedRows, in_order
from drawbar.residuals.scale import NormReport, mean_norm_scale, norm_report, outliers, usable_rows
from drawbar.residuals.shards import ShardSet, to_half, write_shard

__all__ = [
    "Clip",
    "MemoryRows",
    "MixedBatches",
    "NormReport",
    "ResidualBatch",
    "ResidualModel",
    "RowSource",
    "ShardRows",
    "ShardSet",
    "StreamedRows",
    "harvest",
    "in_order",
    "mean_norm_scale",
    "norm_report",
    "outliers",
    "to_half",
    "usable_rows",
    "write_shard",
]
