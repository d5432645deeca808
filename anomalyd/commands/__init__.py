"""What the commands do beyond calling one part: progress, wording, exit codes."""
