"""Features with their labels, evidence, directions and examples -> a bank to search, read and share."""

from drawbar.bank.bundle import import_bank
from drawbar.bank.checks import verify
from drawbar.bank.concept_sliders import ConceptSlider, Push
from drawbar.bank.evidence import Evidence, FeatureEvidence, Trial
from drawbar.bank.library import find_bank, install_bank, installed_banks, remove_bank
from drawbar.bank.records import (
    BINS,
    LIKE,
    BankInfo,
    Example,
    Feature,
    FeatureRecord,
    FeatureRow,
    Histogram,
    Label,
    LabelRecord,
    LayerDirections,
    Page,
    Quantiles,
)
from drawbar.bank.search import Query
from drawbar.bank.sharing import pack_bank
from drawbar.bank.store import Bank
from drawbar.bank.versions import next_version

__all__ = [
    "BINS",
    "LIKE",
    "Bank",
    "BankInfo",
    "ConceptSlider",
    "Evidence",
    "Example",
    "Feature",
    "FeatureEvidence",
    "FeatureRecord",
    "FeatureRow",
    "Histogram",
    "Label",
    "LabelRecord",
    "LayerDirections",
    "Page",
    "Push",
    "Quantiles",
    "Query",
    "Trial",
    "find_bank",
    "import_bank",
    "install_bank",
    "installed_banks",
    "next_version",
    "pack_bank",
    "remove_bank",
    "verify",
]
