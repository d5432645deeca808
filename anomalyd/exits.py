"""Exit codes beside those of a verdict (`model.Outcome.exit_code`)."""

USAGE = 2
COMMAND_FAILED = 5
INTERRUPTED = 130
