"""How often something that is known of files, or of the rules for them, has become another."""


class Changes:
    """What held once still holds, but for the time that has passed, as long as `count` is the same."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def note(self) -> None:
        self.count += 1
