"""What the command does besides serving: each module is one word after `headrace`.

They are imported only when they are asked for, so that a worker does not carry them.
"""
