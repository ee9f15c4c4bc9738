"""The side panel on the right: the feature's page with its evidence, what is heard, the takes."""
