"""What could keep a run from working here, looked at before it starts."""
