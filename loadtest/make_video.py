"""Draws the mill of the demo site: water.webm, and the pictures mill.webp and mill-night.webp.

    python -m loadtest.make_video [DIRECTORY]      (static/ by default; needs ffmpeg)

A day passes in twelve seconds. The river rises and sinks as it likes; the headrace takes its water out below,
and the wheel turns evenly.

Rule 1: the last frame runs into the first. Whatever moves has a period that divides the whole.
Rule 2: nothing is left to chance or to the number of cores, so the same ffmpeg writes the same bytes.
Rule 3: a keyframe every second and the cues at the front, for players that jump about in the file.
Rule 4: shapes are drawn with hard edges at twice the size, and made smooth by scaling down.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from math import ceil, cos, pi, sin, sqrt, tau
from pathlib import Path

WIDTH, HEIGHT = 960, 540
FINE = 2  # samples to a pixel, each way
SECONDS, FRAMES_PER_SECOND = 12, 25
FRAMES = SECONDS * FRAMES_PER_SECOND
PICTURE_WIDTH, PICTURE_HEIGHT = 1440, 810
FORENOON, NIGHT = 0.16, 0.81  # as fractions of the day, which starts in the morning

Colour = tuple[int, int, int]
Point = tuple[float, float]
Spans = list[tuple[int, int]]  # of bytes in a frame

ROW = WIDTH * FINE * 3

#                     morning          noon             dusk             night
SKY_ABOVE = ((104, 156, 208), (74, 146, 214), (66, 74, 138), (10, 16, 40))
SKY_BELOW = ((250, 220, 186), (208, 232, 246), (248, 158, 98), (38, 52, 92))
LIGHT = ((250, 226, 208), (255, 255, 255), (238, 190, 170), (84, 98, 146))

WHEEL: Point = (548, 338)
RIM, HUB, BUCKETS, TURNS = 116, 84, 16, 2
FLUME_TOP, FLUME_BOTTOM, FLUME_END = 196, 212, 556
POOL = 450


class Frame:
    """Rows of pixels, and a light that falls on all that is painted."""

    def __init__(self, day: float) -> None:
        self.pixels = bytearray(ROW * HEIGHT * FINE)
        self.light = through_the_day(LIGHT, day)

    def paint(self, spans: Spans, colour: Colour) -> None:
        self.glow(spans, tuple(c * light // 255 for c, light in zip(colour, self.light, strict=True)))

    def glow(self, spans: Spans, colour: Iterable[int]) -> None:
        """Paints with a colour that needs no light."""
        row = bytes(colour) * (ROW // 3)
        for start, stop in spans:
            self.pixels[start:stop] = row[: stop - start]


def draw(day: float) -> bytearray:
    """The frame at this fraction of the day."""
    frame = Frame(day)
    night = max(0.0, -sin(tau * day) - 0.05) ** 0.6
    draw_sky(frame, day, night)
    for spans, colour in landscape():
        frame.paint(spans, colour)
    draw_river(frame, day)
    for spans, colour in buildings():
        frame.paint(spans, colour)
    for spans in windows():
        frame.glow(spans, blend((52, 58, 70), (255, 206, 112), min(1.0, night * 1.6)))
    draw_headrace(frame, day)
    draw_wheel(frame, day)
    draw_tailrace(frame, day)
    return frame.pixels


def draw_sky(frame: Frame, day: float, night: float) -> None:
    above, below = through_the_day(SKY_ABOVE, day), through_the_day(SKY_BELOW, day)
    horizon = 400 * FINE
    for y in range(horizon):
        frame.pixels[y * ROW : (y + 1) * ROW] = bytes(blend(above, below, (y / horizon) ** 1.3)) * (ROW // 3)
    for number in range(70):
        x, y = number * 379 % WIDTH, number * number * 53 % 250
        twinkle = night * (0.6 + 0.4 * sin(tau * (SECONDS * day + number / 7)))
        if twinkle > 0.1:
            sky = blend(above, below, (y / 400) ** 1.3)
            frame.glow(disc((x, y), 0.8 + number % 3 * 0.35), blend(sky, (255, 250, 235), twinkle))
    sun, moon = (day + 0.12) % 1 / 0.72, (day + 0.4) % 1 / 0.4
    if sun < 1:
        frame.glow(disc((WIDTH * sun, 340 - 270 * sin(pi * sun)), 27), blend(below, (255, 240, 190), 0.85))
    if moon < 1:
        at = (WIDTH * (0.1 + 0.8 * moon), 330 - 260 * sin(pi * moon))
        frame.glow(disc(at, 19), blend(above, (244, 240, 222), max(0.35, night)))
        frame.glow(disc((at[0] + 9, at[1] - 5), 17), blend(above, below, (max(0, at[1]) / 400) ** 1.3))
    for start, y, size in ((130, 84, 1.0), (520, 132, 0.7), (900, 60, 1.2)):
        drift = (start + day * (WIDTH + 320)) % (WIDTH + 320) - 160
        for dx, dy, radius in ((-44, 6, 15), (-20, -5, 22), (10, -9, 27), (40, 3, 19), (62, 9, 11)):
            puff = disc((drift + dx * size, y + dy * size), radius * size, flat=y + 12 * size)
            frame.paint(puff, blend((255, 255, 255), below, 0.25))


def draw_river(frame: Frame, day: float) -> None:
    """A cut through the river above the weir: how high it stands and how rough it is changes."""
    swell = 0.5 + 0.5 * sin(tau * (2 * day - 0.2)) * cos(tau * day)
    level, rough = 196 - 38 * swell, 1.5 + 5 * swell
    surface = [
        (x, level + rough * sin(tau * (x / 87 - 14 * day)) + 0.5 * rough * sin(tau * (x / 41 - 25 * day)))
        for x in range(0, 289, 6)
    ]
    frame.paint(polygon([(0, 540), *surface, (288, 540)]), (58, 128, 168))
    frame.paint(polygon([(0, 540), *((x, y + 34) for x, y in surface), (288, 540)]), (46, 108, 148))
    frame.paint(polygon([(0, 540), *((x, y + 92) for x, y in surface), (288, 540)]), (36, 88, 126))
    foam = [(x, y + 2 + rough / 3) for x, y in reversed(surface)]
    frame.paint(polygon([*surface, *foam]), (206, 230, 238))


def draw_headrace(frame: Frame, day: float) -> None:
    """The channel from the weir to the wheel: always the same water."""
    frame.paint(box(262, FLUME_TOP + 3, FLUME_END, FLUME_BOTTOM), (88, 160, 196))
    shift = 36 * (32 * day % 1)
    for number in range(-1, 8):
        start = 270 + 36 * number + shift
        left, right = max(264.0, start), min(FLUME_END - 2.0, start + 15 + number % 2)
        if right > left:
            frame.paint(box(left, FLUME_TOP + 4, right, FLUME_TOP + 6.5), (220, 238, 244))
    for spans, colour in trestle():
        frame.paint(spans, colour)
    falls = [(FLUME_END - 2 + 46 * u, FLUME_TOP + 3 + 52 * u * u) for u in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    inner = [(x - 8 * (1 - u / 8), y + 9) for u, (x, y) in enumerate(falls)]
    frame.paint(polygon([*falls, *reversed(inner)]), (104, 174, 206))
    for number in range(3):
        u = (number / 3 + 24 * day) % 1
        x, y = FLUME_END + 42 * u, FLUME_TOP + 6 + 50 * u * u
        frame.paint(disc((x - 2, y + 1), 2.4), (226, 241, 246))


def draw_wheel(frame: Frame, day: float) -> None:
    for number in range(BUCKETS):
        angle = tau * (number / BUCKETS + TURNS * day)
        if 0.45 < angle % tau < 1.95:  # between the fall and where they empty themselves
            full = [(RIM - 3, 0.03), (RIM - 3, 0.34), (HUB + 5, 0.37), (HUB + 5, 0.09)]
            frame.paint(polygon([on_wheel(r, angle + a) for r, a in full]), (88, 160, 196))
    for number in range(BUCKETS // 2):
        angle = tau * (2 * number / BUCKETS + TURNS * day)
        frame.paint(bar(on_wheel(12, angle), on_wheel(HUB, angle), 5), (122, 84, 54))
    frame.paint(ring(WHEEL, HUB - 4, HUB + 4), (136, 94, 60))
    for number in range(BUCKETS):
        angle = tau * (number / BUCKETS + TURNS * day)
        frame.paint(bar(on_wheel(HUB, angle + 0.04), on_wheel(RIM + 3, angle), 5), (112, 76, 48))
    frame.paint(ring(WHEEL, RIM - 6, RIM), (146, 102, 66))
    frame.paint(disc(WHEEL, 17), (96, 66, 44))
    frame.paint(disc(WHEEL, 7), (58, 52, 50))


def draw_tailrace(frame: Frame, day: float) -> None:
    for number in range(15):
        u = (number * 0.618 + SECONDS * day) % 1
        x, y = on_wheel(RIM - 4, 1.75 + number % 5 * 0.12)
        frame.paint(disc((x + 5 * u, y + (POOL - y + 6) * u * u), 1.6 + number % 3 * 0.6), (176, 214, 230))
    surface = [
        (x, POOL + 1.6 * sin(tau * (x / 58 - 18 * day)) + sin(tau * (x / 23 - 36 * day)))
        for x in range(396, WIDTH + 4, 4)
    ]
    frame.paint(polygon([(396, 540), *surface, (WIDTH, 540)]), (52, 118, 158))
    frame.paint(polygon([(396, 540), *((x, y + 20) for x, y in surface), (WIDTH, 540)]), (42, 98, 138))
    frame.paint(polygon([*surface, *((x, y + 2.5) for x, y in reversed(surface))]), (198, 226, 236))
    for spans, colour in bed():
        frame.paint(spans, colour)


@cache
def landscape() -> list[tuple[Spans, Colour]]:
    def hills(base: float, height: float, wave: float, turn: float) -> Spans:
        crest = [
            (x, base - height * (sin(x / wave + turn) + 0.4 * sin(2.3 * x / wave + 2 * turn)))
            for x in range(0, WIDTH + 12, 12)
        ]
        return polygon([(0, 540), *crest, (WIDTH, 540)])

    return [
        (hills(285, 34, 118, 0.6), (134, 160, 172)),
        (hills(330, 28, 92, 2.4), (106, 146, 128)),
        (hills(392, 16, 140, 1.1), (110, 152, 92)),
        (polygon([(280, 540), (290, 404), (372, 432), (470, 446), (960, 424), (960, 540)]), (96, 138, 76)),
    ]


@cache
def buildings() -> list[tuple[Spans, Colour]]:
    stones = [
        (box(x, y, x + 26, y + 9), (166, 158, 144))
        for x, y in (
            (640, 252),
            (812, 236),
            (842, 330),
            (690, 392),
            (800, 402),
            (664, 322),
            (726, 208),
            (846, 400),
        )
    ]
    courses = [
        (polygon([(left, y), (right, y), (right, y + 2), (left, y + 2)]), (108, 104, 98))
        for y, left, right in ((y, 270 - y / 22, 276 + y / 10) for y in range(172, 540, 26))
    ]
    return [
        (polygon([(0, 540), (0, 486), (120, 500), (262, 494), (262, 540)]), (92, 76, 58)),
        (polygon([(264, 146), (290, 146), (330, 540), (246, 540)]), (138, 132, 124)),
        *courses,
        (box(258, 140, 296, 149), (156, 150, 140)),
        (box(812, 96, 838, 160), (128, 108, 98)),
        (box(808, 90, 842, 99), (106, 90, 84)),
        (polygon([(622, 188), (884, 188), (884, 460), (622, 460)]), (186, 178, 162)),
        (box(622, 430, 884, 460), (150, 142, 130)),
        *stones,
        (polygon([(600, 196), (668, 96), (846, 96), (908, 196)]), (134, 74, 60)),
        (polygon([(600, 196), (606, 187), (902, 187), (908, 196)]), (104, 56, 48)),
        (polygon([(668, 96), (672, 90), (842, 90), (846, 96)]), (112, 60, 50)),
        (box(764, 356, 806, 440), (98, 68, 46)),
        (box(759, 350, 811, 357), (120, 112, 102)),
        *((box(x - 4, y - 4, x + 38, y + 46), (120, 112, 102)) for x, y in WINDOWS),
    ]


WINDOWS = ((700, 226), (790, 226), (700, 330))


@cache
def windows() -> list[Spans]:
    return [
        box(x + dx, y + dy, x + dx + 15, y + dy + 19) for x, y in WINDOWS for dx in (0, 19) for dy in (0, 23)
    ]


@cache
def trestle() -> list[tuple[Spans, Colour]]:
    wood, dark = (128, 88, 56), (98, 68, 44)
    posts = [(box(x, FLUME_BOTTOM + 4, x + 8, 460), dark) for x in (336, 400)]
    braces = [
        (bar((340, 262), (404, 322), 5), dark),
        (bar((404, 262), (340, 322), 5), dark),
        (bar((344, 246), (308, 218), 5), dark),
        (bar((404, 256), (452, 218), 5), dark),
    ]
    sides = [(box(x, FLUME_TOP - 3, x + 6, FLUME_BOTTOM + 6), wood) for x in (312, 372, 432, 492, 546)]
    return [*posts, *braces, (box(280, FLUME_BOTTOM, FLUME_END, FLUME_BOTTOM + 6), wood), *sides]


@cache
def bed() -> list[tuple[Spans, Colour]]:
    return [
        (
            polygon([(286, 540), (292, 424), (380, 438), (430, 500), (560, 516), (960, 508), (960, 540)]),
            (92, 76, 58),
        ),
        (polygon([(291, 424), (290, 412), (372, 430), (402, 450), (410, 474), (380, 440)]), (96, 138, 76)),
    ]


def on_wheel(radius: float, angle: float) -> Point:
    """Angles start at the top and go the way of the wheel, clockwise."""
    return WHEEL[0] + radius * sin(angle), WHEEL[1] - radius * cos(angle)


def polygon(points: Sequence[Point]) -> Spans:
    """Whatever lies inside, by the even-odd rule."""
    crossings: dict[int, list[float]] = {}
    for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
        if ay == by:
            continue
        if ay > by:
            ax, ay, bx, by = bx, by, ax, ay
        slope = (bx - ax) / (by - ay)
        for y in range(max(0, ceil(ay * FINE - 0.5)), min(HEIGHT * FINE, ceil(by * FINE - 0.5))):
            crossings.setdefault(y, []).append(ax + ((y + 0.5) / FINE - ay) * slope)
    spans = []
    for y, row in crossings.items():
        row.sort()
        spans += [span(y, left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return spans


def box(left: float, top: float, right: float, bottom: float) -> Spans:
    return [span(y, left, right) for y in range(round(top * FINE), round(bottom * FINE))]


def bar(a: Point, b: Point, width: float) -> Spans:
    """A straight piece of timber."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    half = width / 2 / sqrt(dx * dx + dy * dy)
    x, y = -dy * half, dx * half
    return polygon([(a[0] + x, a[1] + y), (b[0] + x, b[1] + y), (b[0] - x, b[1] - y), (a[0] - x, a[1] - y)])


def disc(centre: Point, radius: float, flat: float = HEIGHT) -> Spans:
    """A full circle, or what of it lies above `flat`."""
    x, y = centre
    return [span(row, x - half, x + half) for row, half in rows(y, radius) if row < flat * FINE]


def ring(centre: Point, inner: float, outer: float) -> Spans:
    x, y = centre
    holes = dict(rows(y, inner))
    spans = []
    for row, half in rows(y, outer):
        hole = holes.get(row, 0.0)
        spans += [span(row, x - half, x - hole), span(row, x + hole, x + half)]
    return spans


def rows(y: float, radius: float) -> Iterator[tuple[int, float]]:
    """The rows that a circle meets, and half its width there."""
    for row in range(max(0, ceil((y - radius) * FINE)), min(HEIGHT * FINE, int((y + radius) * FINE) + 1)):
        square = radius * radius - ((row + 0.5) / FINE - y) ** 2
        if square > 0:
            yield row, sqrt(square)


def span(row: int, left: float, right: float) -> tuple[int, int]:
    start = row * ROW + 3 * max(0, round(left * FINE))
    return start, max(start, row * ROW + 3 * min(WIDTH * FINE, round(right * FINE)))


def blend(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def through_the_day(colours: Sequence[Colour], day: float) -> Colour:
    quarter, share = divmod(day % 1 * 4, 1)
    return blend(colours[int(quarter)], colours[(int(quarter) + 1) % 4], 0.5 - 0.5 * cos(pi * share))


def encode(frames: Iterable[bytearray], to: Path, size: tuple[int, int], *codec: str) -> None:
    """Pipes raw frames through ffmpeg into a file, which appears when it is whole."""
    unfinished = to.with_name(f".{to.name}")
    command = [
        "ffmpeg", "-nostdin", "-loglevel", "error", "-y",
        "-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{WIDTH * FINE}x{HEIGHT * FINE}",
        "-framerate", str(FRAMES_PER_SECOND), "-i", "pipe:0",
        "-vf", f"scale={size[0]}:{size[1]}:flags=area+accurate_rnd+bitexact:out_color_matrix=bt709",
        "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
        "-pix_fmt", "yuv420p", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
        "-threads", "1", *codec, str(unfinished),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        for frame in frames:
            ffmpeg.stdin.write(frame)
    if ffmpeg.returncode:
        unfinished.unlink(missing_ok=True)
        raise SystemExit(f"ffmpeg ended with {ffmpeg.returncode} over {to.name}")
    unfinished.rename(to)


def main(arguments: Sequence[str]) -> None:
    directory = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent / "static"
    large = (PICTURE_WIDTH, PICTURE_HEIGHT)
    picture = ("-c:v", "libwebp", "-quality", "86", "-compression_level", "6", "-f", "webp")
    encode([draw(FORENOON)], directory / "mill.webp", large, *picture)
    encode([draw(NIGHT)], directory / "mill-night.webp", large, *picture)
    video = (
        "-c:v", "libvpx-vp9", "-crf", "33", "-b:v", "0", "-g", str(FRAMES_PER_SECOND),
        "-deadline", "good", "-cpu-used", "2", "-row-mt", "0", "-cues_to_front", "1", "-f", "webm",
    )  # fmt: skip
    encode(
        (draw(number / FRAMES) for number in range(FRAMES)), directory / "water.webm", (WIDTH, HEIGHT), *video
    )


if __name__ == "__main__":
    main(sys.argv[1:])
