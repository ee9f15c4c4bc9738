"""The long-horizon study as one resumable run."""
