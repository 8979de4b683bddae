"""What the operator sees. Nothing here may ever hold up the loop."""
