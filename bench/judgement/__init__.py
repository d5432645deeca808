"""Simulated test runs whose truth is known, and judges scored on them: `make bench-judgement`."""
