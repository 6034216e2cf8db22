"""Ways to start the jobs of a sweep: as processes here, through joblib, through submitit."""
