"""Arrays in, frozen arrays out: estimation and sampling, without names or tables."""
