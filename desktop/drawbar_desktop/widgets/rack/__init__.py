"""The rack: one strip with a slider per feature."""
