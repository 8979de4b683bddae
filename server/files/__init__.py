"""What is known of the files that are served, and for how long it is believed.

An Entry is checked again in the background while it is in use, so that what is served is at
most about a second old. On a disk that does not answer, what is known is served all the same.
"""
