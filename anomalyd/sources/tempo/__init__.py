"""Signals of spans that a Tempo keeps, by TraceQL metrics."""
