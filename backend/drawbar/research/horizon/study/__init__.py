"""The long-horizon study as one resumable run: tables, probes, controls, interventions, gate and report."""
