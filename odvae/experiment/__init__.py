"""One run from configuration to logged result, and sweeps of runs."""
