"""Pictures of fits, each with the tidy frame it is drawn from."""
