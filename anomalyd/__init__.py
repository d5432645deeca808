"""Judges a staging test run against what production does at the same load, while it runs."""

__version__ = "0.1.0"
