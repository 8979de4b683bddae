"""In what order a turn of the loop does things."""

from math import inf

from server.loop import Loop


class Sender:
    """A task that asks for something more, and is then done."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked

    def proceed(self) -> int:
        self.asked.append("next block")
        return 1


def test_the_disk_hears_of_what_is_asked_for_before_blocks_are_sent_and_of_what_senders_ask_for_after():
    loop = Loop()
    asked = ["first block"]
    heard: list[list[str]] = []

    def hear() -> float:
        heard.append(asked.copy())
        asked.clear()
        return inf

    loop.before_sending(hear)
    loop.before_waiting(hear)
    loop.ready(Sender(asked))
    loop.turn()
    assert heard == [["first block"], ["next block"]]
