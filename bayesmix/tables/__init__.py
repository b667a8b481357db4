"""Layout only: plain frames and a frozen header become text."""

from bayesmix.tables.text import Header, format_number, format_summary, format_table

__all__ = ["Header", "format_number", "format_summary", "format_table"]
