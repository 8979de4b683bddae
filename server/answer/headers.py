"""Header fields, as they are written."""

Headers = tuple[tuple[bytes, bytes], ...]
