"""What a difference between the environments explains, on simulated pairs whose truth is known."""
