"""Features with their labels, evidence, directions and examples -> a bank to search, read and share."""

from drawbar.bank.records import (
    BINS,
    BankInfo,
    Example,
    Facets,
    Feature,
    FeatureRecord,
    FeatureRow,
    Histogram,
    Label,
    LabelRecord,
    LayerDirections,
    Page,
    Quantiles,
    Sort,
    parse_id,
)
from drawbar.bank.search import Query
from drawbar.bank.store import Bank

__all__ = [
    "BINS",
    "Bank",
    "BankInfo",
    "Example",
    "Facets",
    "Feature",
    "FeatureRecord",
    "FeatureRow",
    "Histogram",
    "Label",
    "LabelRecord",
    "LayerDirections",
    "Page",
    "Quantiles",
    "Query",
    "Sort",
    "parse_id",
]
