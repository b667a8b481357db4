"""Programs that run in processes of their own, are timed inside, and answer in JSON."""
