"""Models of other packages: Bambi's."""
