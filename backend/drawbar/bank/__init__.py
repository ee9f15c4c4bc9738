"""Features with their labels, evidence, directions and examples -> a bank to search, read and share."""

from drawbar.bank.bundle import BundleContents, export_bank, import_bank, read_bundle
from drawbar.bank.checks import verify
from drawbar.bank.evidence import Evidence, FeatureEvidence, Trial
from drawbar.bank.library import (
    Carried,
    Installed,
    carry_edits,
    find_bank,
    install_bank,
    installed_banks,
    remove_bank,
)
from drawbar.bank.licences import may_share, normal_licence
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
from drawbar.bank.sharing import Packed, pack_bank
from drawbar.bank.store import Bank
from drawbar.bank.versions import next_version

__all__ = [
    "BINS",
    "Bank",
    "BankInfo",
    "BundleContents",
    "Carried",
    "Evidence",
    "Example",
    "Facets",
    "Feature",
    "FeatureEvidence",
    "FeatureRecord",
    "FeatureRow",
    "Histogram",
    "Installed",
    "Label",
    "LabelRecord",
    "LayerDirections",
    "Packed",
    "Page",
    "Quantiles",
    "Query",
    "Sort",
    "Trial",
    "carry_edits",
    "export_bank",
    "find_bank",
    "import_bank",
    "install_bank",
    "installed_banks",
    "may_share",
    "next_version",
    "normal_licence",
    "pack_bank",
    "parse_id",
    "read_bundle",
    "remove_bank",
    "verify",
]
