"""Release risk: one number with its reasons, and how far to believe it. It decides nothing."""
