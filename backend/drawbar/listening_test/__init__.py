"""Clips without their names -> what a person hears: steered or not, label or not."""
