"""Speed of bayesmix beside its peers, measured anew in every run: ``make bench`` or ``python -m benchmarks --help``."""
