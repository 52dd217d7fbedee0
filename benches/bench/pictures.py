"""Charts as SVG, readable on a light page and on a dark one. Knows numbers and words, not what they mean."""

import math
from dataclasses import dataclass, field
from html import escape

WIDTH = 760
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .quiet { fill: #59636e; font-size: 12px }
  .title { font-weight: 600; font-size: 15px }
  .grid { stroke: #818b98; stroke-opacity: .3 }
  .axis { stroke: #818b98 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .quiet { fill: #9198a1 } }
"""
# Of middle brightness, so that they stand out from either ground. The first is ours, the last is for what is no rival.
COLOURS = ["#2f81f7", "#e8590c", "#2da44e", "#bf3989", "#bf8700", "#8250df", "#12858d", "#8b949e"]


@dataclass
class Line:
    """A curve of a chart."""

    label: str
    points: dict  # x: y
    colour: str
    hollow: set = field(default_factory=set)  # x whose point is no success
    dashed: bool = False


@dataclass
class Scale:
    """Values to pixels; a logarithmic one has no zero."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value):
        if self.logarithmic:
            value, low, high = (math.log10(max(v, self.low)) for v in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self):
        if self.logarithmic:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**power for power in powers]
        rough = (self.high - self.low) / 5
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
        return [step * n for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def number(value):
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.3g}"


def text(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def document(height, title, parts):
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{text(8, 20, title, kind='title')}\n{body}\n</svg>\n"
    )


def legend(entries, y):
    """Words with their marks, in as many rows as they need; the parts, and the height that they take."""
    parts, x, top = [], 8.0, y
    for mark, words in entries:
        width = 30 + 7.6 * len(words)
        if x + width > WIDTH:
            x, y = 8.0, y + 20
        parts += [mark(x + 8, y - 4), text(x + 20, y, words)]
        x += width
    return parts, y - top + 20


def dot(colour, hollow=False, radius=4.5):
    fill = f'fill="none" stroke="{colour}" stroke-width="2"' if hollow else f'fill="{colour}"'
    return lambda x, y: f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {fill}/>'


def stroke(curve):
    dashes = ' stroke-dasharray="5 4"' if curve.dashed else ""
    return f'stroke="{curve.colour}" stroke-width="2"{dashes}'


def sample(curve):
    """A piece of a line, for the legend."""
    return lambda x, y: f'<line x1="{x - 8:.1f}" x2="{x + 8:.1f}" y1="{y}" y2="{y}" {stroke(curve)}/>'


def bars(title, values, unit, emphasised):
    """One bar each, the smallest first."""
    rows = sorted(values.items(), key=lambda item: item[1])
    scale = Scale(0, max(max(values.values()), 1e-9), 110, WIDTH - 90)
    parts = []
    for index, (label, value) in enumerate(rows):
        y = 40 + 26 * index
        colour = COLOURS[0] if label == emphasised else COLOURS[-1]
        width = max(scale(value) - scale.start, 1)
        parts += [
            text(102, y + 13, label, "end"),
            f'<rect x="{scale.start}" y="{y}" width="{width:.1f}" height="18" rx="2" fill="{colour}"/>',
            text(scale.start + width + 6, y + 13, f"{number(value)} {unit}", kind="quiet"),
        ]
    return document(48 + 26 * len(rows), title, parts)


def strips(title, rows, names, low, mark=None):
    """For each row a logarithmic strip with one dot per name; values at or below `low` stand at its left end."""
    top, head = legend([(dot(COLOURS[i]), name) for i, name in enumerate(names)], 44)
    high = max(value for row in rows.values() for value in row.values())
    left = 170
    scale = Scale(low, max(high * 1.2, low * 2), left, WIDTH - 20, logarithmic=True)
    lowest = min(value for row in rows.values() for value in row.values())
    first = 44 + head
    bottom = first + 28 * len(rows)
    parts = top
    for tick in mark or scale.ticks():
        x = scale(tick)
        parts += [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{first - 8}" y2="{bottom - 6}" class="grid"/>',
            text(x, bottom + 10, ("≤ " if tick == low and lowest < low else "") + number(tick), "middle", "quiet"),
        ]
    for index, (label, row) in enumerate(rows.items()):
        y = first + 28 * index + 6
        parts += [
            text(left - 10, y + 4, label, "end"),
            f'<line x1="{left}" x2="{WIDTH - 20}" y1="{y}" y2="{y}" class="grid"/>',
        ]
        # Ours last, on top of the others.
        for place, name in reversed(list(enumerate(names))):
            if name in row:
                parts.append(dot(COLOURS[place], radius=6 if place == 0 else 4.5)(scale(row[name]), y))
    return document(bottom + 20, title, parts)


def lines(title, curves, x_label, logarithmic=False, hollow_means=None):
    """Over a doubling x."""
    marks = [(sample(curve), curve.label) for curve in curves]
    if hollow_means:
        marks.append((dot(COLOURS[-1], hollow=True), hollow_means))
    top, head = legend(marks, 44)
    first, bottom = 44 + head, 44 + head + 280
    xs = sorted({x for curve in curves for x in curve.points})
    values = [y for curve in curves for y in curve.points.values()]
    # Neighbouring numbers of clients are as far apart as any others: they double.
    column = {x: 70 + index * (WIDTH - 110) / max(len(xs) - 1, 1) for index, x in enumerate(xs)}
    low = 10 ** math.floor(math.log10(max(min(values), 1e-4))) if logarithmic else 0
    scale = Scale(low, max(values) * (1.6 if logarithmic else 1.05), bottom, first, logarithmic)
    parts = top
    for tick in scale.ticks():
        y = scale(tick)
        parts += [
            f'<line x1="62" x2="{WIDTH - 30}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>',
            text(56, y + 4, f"{number(tick)} s", "end", "quiet"),
        ]
    parts += [text(x, bottom + 20, str(label), "middle", "quiet") for label, x in column.items()]
    parts.append(text((70 + WIDTH - 40) / 2, bottom + 40, x_label, "middle", "quiet"))
    for curve in curves:
        places = [(x, column[x], scale(y)) for x, y in sorted(curve.points.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" {stroke(curve)}/>')
        parts += [dot(curve.colour, x in curve.hollow)(place, y) for x, place, y in places]
    return document(bottom + 52, title, parts)
