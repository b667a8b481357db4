"""The data sets that come with bayesmix."""

from bayesmix.datasets.catalogue import list_datasets, load_dataset

__all__ = ["list_datasets", "load_dataset"]
