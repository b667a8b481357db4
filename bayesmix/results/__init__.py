"""Names on the arrays: fits that read alike, and their comparison."""
