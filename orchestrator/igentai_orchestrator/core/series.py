"""The curve of a run, in a bounded number of points."""

from __future__ import annotations

from typing import Final, TypeAlias

MOST_POINTS: Final = 600
FIRST_STEP_S: Final = 1.0

Point: TypeAlias = tuple[float, int, int, float]  # seconds elapsed, unique attributes, requests, USD


class Series:
    """Points at least `step` apart. When there are too many, every second goes and the step doubles."""

    __slots__ = ("_points", "_step_s")

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._step_s = FIRST_STEP_S

    def wants(self, elapsed_s: float) -> bool:
        """Whether a point at this time would be kept."""
        return not self._points or elapsed_s >= self._points[-1][0] + self._step_s

    def record(self, point: Point) -> None:
        points = self._points
        if not self.wants(point[0]):
            return
        points.append(point)
        if len(points) >= MOST_POINTS:
            del points[1::2]
            self._step_s *= 2

    def until(self, latest: Point) -> list[list[float]]:
        """The points so far and `latest` at the end; at most 600."""
        points = self._points
        if points and points[-1][0] >= latest[0]:
            points = points[:-1]
        return [list(point) for point in (*points, latest)]
