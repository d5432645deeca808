"""OTLP: traces that are sent to us."""
