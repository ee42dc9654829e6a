"""Reporting: a run as a page and as a model card."""
