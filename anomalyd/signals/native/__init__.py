"""Native histograms over windows, as Prometheus 3 evaluates them."""
