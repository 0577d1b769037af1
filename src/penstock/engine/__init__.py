"""The embedded engine: steps over a plan, in one process."""
