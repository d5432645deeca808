"""What helps to understand an incident, fetched once it is decided; no verdict knows of it."""
