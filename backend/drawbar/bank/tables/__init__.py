"""Features of many banks -> Parquet tables in parts, searched like a bank; an extra (``cluster``) of 100 M features."""

from drawbar.bank.tables.search import BankRow, FeatureTables
from drawbar.bank.tables.write import TableWriter, add_bank

__all__ = ["BankRow", "FeatureTables", "TableWriter", "add_bank"]
