"""Clients of the systems that keep traces and lines, as sources and `enrich` ask them."""
