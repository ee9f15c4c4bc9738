"""Features with their labels, evidence, directions and examples -> a bank to search, read and share."""

from drawbar.bank.bundle import BundleContents, export_bank, import_bank, read_bundle
from drawbar.bank.checks import verify
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
    "BundleContents",
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
    "export_bank",
    "import_bank",
    "parse_id",
    "read_bundle",
    "verify",
]
