"""Charts as SVG, drawn here: the same numbers make the same bytes, and nothing is installed for four pictures."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 760, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 40, 75
_FONT = 'font-family="sans-serif" font-size="12"'
_COLOURS = ("#0b62a4", "#d1495b", "#2e8b57", "#8a5a00", "#6a4c93")
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "1 2")  # told apart without colour, too


def chart(
    title: str,
    unit: str,
    lines: Mapping[str, Sequence[float | None]],
    *,
    shaded: tuple[float, float] | None = None,
) -> str:
    """Lines over hours, a number for each minute, None for a gap; `unit` grows by tens. What is below one is drawn at
    the bottom. `shaded` are the hours of an outage."""
    highest = max((number for line in lines.values() for number in line if number), default=1.0)
    decades = max(1, math.ceil(math.log10(max(highest, 10))))
    hours = max(len(line) for line in lines.values()) / 60

    def x(hour: float) -> float:
        return _LEFT + hour / hours * (_WIDTH - _LEFT - _RIGHT)

    def y(number: float) -> float:
        return _HEIGHT - _BOTTOM - math.log10(max(number, 1)) / decades * (_HEIGHT - _TOP - _BOTTOM)

    bottom = _HEIGHT - _BOTTOM
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    if shaded:
        left, right = map(x, shaded)
        drawn.append(
            f'<rect x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{bottom - _TOP}" fill="#f3ead7"/>'
        )
        drawn.append(f'<text x="{left + 4:.1f}" y="{_TOP + 14}" fill="#8a5a00">outage</text>')
    for decade in range(decades + 1):
        at, label = y(10**decade), "< 1" if decade == 0 else f"{10**decade:,}"
        drawn.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        drawn.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(label)}</text>')
    for hour in range(math.floor(hours) + 1):
        drawn.append(f'<text x="{x(hour):.1f}" y="{bottom + 16}" text-anchor="middle">{hour} h</text>')
    drawn.append(
        f'<text x="14" y="{(bottom + _TOP) / 2}" transform="rotate(-90 14 {(bottom + _TOP) / 2})" '
        f'text-anchor="middle">{escape(unit)}</text>'
    )
    slot = (_WIDTH - _LEFT - _RIGHT) / 2
    for number, (name, line) in enumerate(lines.items()):
        style = f'stroke="{_COLOURS[number]}" stroke-width="2" stroke-dasharray="{_DASHES[number]}"'
        drawn.append(f'<path d="{_path(line, x, y)}" fill="none" {style}/>')
        left, top = _LEFT + number % 2 * slot, bottom + 36 + number // 2 * 16
        drawn.append(f'<line x1="{left:.1f}" x2="{left + 26:.1f}" y1="{top - 4}" y2="{top - 4}" {style}/>')
        drawn.append(f'<text x="{left + 32:.1f}" y="{top}">{escape(name)}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"


def _path(line: Sequence[float | None], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """Of what is level its two ends."""
    drawn: list[str] = []
    heights = [None if number is None else f"{y(number):.1f}" for number in line]
    for minute, height in enumerate(heights):
        before = heights[minute - 1] if minute else None
        after = heights[minute + 1] if minute + 1 < len(heights) else None
        if height is not None and not before == height == after:
            drawn.append(f"{'L' if before else 'M'}{x(minute / 60):.1f} {height}")
    return "".join(drawn)
