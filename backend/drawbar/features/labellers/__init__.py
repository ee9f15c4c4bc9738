"""Excerpts and profiles -> label rows; one file for each way of naming a feature."""
