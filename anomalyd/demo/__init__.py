"""A small real system under test, as production and as staging, with faults to switch on."""
