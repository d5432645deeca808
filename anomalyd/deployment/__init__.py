"""Is what is tested deployed as it should be, and does it stay so while the test runs."""
