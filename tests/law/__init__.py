"""The law: what imports what, and that the loop's thread makes no call on a file."""
