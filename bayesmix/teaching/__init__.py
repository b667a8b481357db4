"""Teaching: what goes wrong when groups are ignored, simulators, and the pooling ladder."""
