"""The side panel: inspector, evidence, takes, what is heard."""
