"""The rack in the centre: one strip with a slider, a meter and switches per feature."""
