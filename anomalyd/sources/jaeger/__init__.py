"""Signals of spans that a Jaeger keeps: of whole traces, or of its own metrics (SPM)."""
