"""From votes and corrections to a frozen dataset: rows in, examples and a report out; `storage` alone has SQL."""
