"""Exit codes beside those of a verdict (`model.Outcome.exit_code`)."""

DRIFT = 1
"""`anomalyd parity` found something that differs."""
USAGE = 2
COMMAND_FAILED = 5
BUG = 70
"""An error of ours: it must not read as a verdict, 1 of all things (sysexits.h, EX_SOFTWARE)."""
INTERRUPTED = 130
