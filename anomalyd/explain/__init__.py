"""Why: suspects on the service graph, and the words. Pure; part of the pipeline."""
