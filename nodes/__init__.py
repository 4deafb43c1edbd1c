"""The built-in tools: one short module per pipeline stage over pure libraries."""
