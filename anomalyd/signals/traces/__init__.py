"""Signals of spans: rates, error ratios, latencies, own time, calls between services."""
