"""The pictures: light, legible, every axis named with its unit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.figures import Ratio, flat
from benchmarks.locust.kinds import KINDS as SERVERS
from benchmarks.locust.table import by_kind
from benchmarks.micro.cases import CASES
from benchmarks.micro.run import BASE
from benchmarks.micro.table import clock, found, ratios
from benchmarks.micro.variants import VARIANTS
from benchmarks.request.apps import KINDS as APPLICATIONS
from benchmarks.scale.__main__ import fitted

COLOURS = {
    "tenantguard": "#0b6bcb",
    "handwritten": "#e08a00",
    "recipe": "#8a5fbf",
    "unguarded": "#6b7280",
    "nothing": "#6b7280",
    "softtenant": "#b5395b",
    "litestar-tenants": "#c9794f",
    "sqlalchemy-tenants": "#4a8f5a",
    "fastapi-rls": "#2f9c95",
    "underneath": "#5b9bd9",
    "alone": "#0b6bcb",
}
MOST_SHOWN = 3.0  # times the cost of no isolation; what lies beyond is written at the edge
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
STYLE: Any = {
    "figure.dpi": 120,
    "savefig.facecolor": "white",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def micro(raw: dict[str, Any], backend: str, *, cold: bool, path: Path) -> bool:
    """Draw what each variant costs against no isolation, one band per case; return whether there was anything."""
    groups = [
        (case, ratios(by_variant, BASE))
        for where, case, is_cold, by_variant in found(raw)
        if where == backend and is_cold == cold
    ]
    groups = [(case, against) for case, against in groups if len(against) > 1]
    if not groups:
        return False
    names = [name for name in VARIANTS if name != BASE and any(name in against for _, against in groups)]
    tall = 1.5 + len(groups) * (0.14 + 0.06 * len(names))
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8, tall), layout="constrained")
        for band in range(0, len(groups), 2):
            axes.axhspan(band - 0.5, band + 0.5, color="#f3f4f6", zorder=0)
        axes.axvline(1, color=COLOURS[BASE], linewidth=1, zorder=1)
        for place, name in enumerate(names):
            offset = (place - (len(names) - 1) / 2) * 0.8 / len(names)
            _points(axes, name, [against.get(name) for _, against in groups], offset)
        axes.set_yticks(range(len(groups)), [CASES[case].title for case, _ in groups])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(len(groups) - 0.5, -0.5)
        least = min(one.low for _, against in groups for one in against.values())
        axes.set_xlim(least - 0.06, min(MOST_SHOWN, axes.get_xlim()[1]))
        unit = "CPU time" if clock(backend) == "cpu" else "wall time"
        axes.set_xlabel(f"{unit} against no isolation (1 = no cost; bars: 95 % interval)")
        state = "first compilation" if cold else "warm"
        axes.set_title(f"One statement, {state}, {DATABASES[backend]}", loc="left", fontsize=10)
        figure.legend(loc="outside upper center", ncols=3, fontsize=8)
        _save(figure, path)
    return True


def summary(figures: Sequence[tuple[str, float, float | None]], path: Path) -> None:
    """Draw the figures that the text quotes, each with its value: with the guard, and with a filter by hand."""
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8, 0.6 + 0.7 * len(figures)), layout="constrained")
        axes.axvline(1, color=COLOURS[BASE], linewidth=1, zorder=1)
        for place, (name, title) in enumerate(
            (("tenantguard", "the guard"), ("handwritten", "a filter by hand"))
        ):
            values = [one[1 + place] for one in figures]
            rows = [
                (row + (place - 0.5) * 0.36, value) for row, value in enumerate(values) if value is not None
            ]
            ys, widths = [y for y, _ in rows], [value for _, value in rows]
            bars = axes.barh(ys, widths, height=0.34, color=COLOURS[name], label=title)
            axes.bar_label(bars, fmt="%.2f", padding=3)
        axes.set_yticks(range(len(figures)), [one[0] for one in figures])
        axes.set_ylim(len(figures) - 0.5, -0.5)
        axes.margins(x=0.1)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("CPU time against no isolation (1 = no cost)")
        figure.legend(loc="outside upper center", ncols=2, fontsize=8)
        _save(figure, path)


def _points(axes: Axes, name: str, values: Sequence[Ratio | None], offset: float) -> None:
    """Draw one variant's ratios with their intervals, a little beside the middle of each band."""
    known = [(place + offset, one) for place, one in enumerate(values) if one is not None]
    reach = [
        [max(0.0, one.value - one.low) for _, one in known],
        [max(0.0, one.high - one.value) for _, one in known],
    ]
    ours = name == "tenantguard"
    for place, one in known:
        if one.value > MOST_SHOWN:
            spot: Any = {"xytext": (-6, 0), "textcoords": "offset points", "va": "center", "ha": "right"}
            axes.annotate(f"{one.value:.1f} ▸", (MOST_SHOWN, place), color=COLOURS[name], fontsize=8, **spot)
    xs, ys = [one.value for _, one in known], [place for place, _ in known]
    style: dict[str, Any] = {
        "color": COLOURS[name],
        "markersize": 6.5 if ours else 4,
        "zorder": 3 if ours else 2,
    }
    axes.errorbar(xs, ys, xerr=reach, fmt="o", elinewidth=1, label=VARIANTS[name].title, **style)


def request(series: list[dict[str, Any]], path: Path) -> None:
    """Draw what a request costs in each application, in process."""
    rows = [(APPLICATIONS[one["kind"]], median(flat(one["cpu"])) / 1_000) for one in series]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8, 0.9 + 0.32 * len(rows)), layout="constrained")
        colours = [
            COLOURS["tenantguard"] if "tenantguard" in kind.title else COLOURS["unguarded"]
            for kind, _ in rows
        ]
        bars = axes.barh([kind.title for kind, _ in rows], [value for _, value in rows], color=colours)
        axes.bar_label(bars, fmt="%.1f", padding=3)
        axes.margins(x=0.1)
        _lying(axes)
        axes.set_xlabel("µs of CPU time for one request, in process (lower is better)")
        _save(figure, path)


def _lying(axes: Axes) -> None:
    """Set up bars that lie: the first on top, and lines only where values are read."""
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def load(raw: dict[str, Any], path: Path) -> None:
    """Draw requests per second of each server, a dot for each round."""
    backends = list(dict.fromkeys(run["backend"] for run in raw["runs"]))
    most = max(len(by_kind(raw, backend)) for backend in backends)
    with mpl.rc_context(STYLE):
        figure, grid = plt.subplots(
            len(backends),
            1,
            figsize=(8, (0.9 + 0.36 * most) * len(backends)),
            layout="constrained",
            squeeze=False,
        )
        for axes, backend in zip(grid[:, 0], backends, strict=True):
            _servers(axes, by_kind(raw, backend), backend)
        _save(figure, path)


def _servers(axes: Axes, runs: dict[str, list[dict[str, Any]]], backend: str) -> None:
    for place, (kind, rounds) in enumerate(runs.items()):
        rates = [run["rate"] for run in rounds]
        axes.barh([place], [median(rates)], color=COLOURS.get(kind, "#4b5563"), alpha=0.85)
        axes.plot(rates, [place] * len(rates), "o", color="#111827", markersize=2.5)
        spot: Any = {"xytext": (7, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(f"{median(rates):.0f}", (max(rates), place), **spot)
    axes.set_yticks(range(len(runs)), [SERVERS[kind].title for kind in runs])
    axes.margins(x=0.12)
    _lying(axes)
    axes.set_title(f"The example application, {DATABASES[backend]}", loc="left", fontsize=10)
    axes.set_xlabel("requests per second of one server process (higher is better; dots: rounds)")


def scale(curves: list[dict[str, Any]], path: Path) -> None:
    """Draw every curve with its fitted slope."""
    columns = 3
    rows = -(-len(curves) // columns)
    with mpl.rc_context(STYLE):
        figure, grid = plt.subplots(
            rows, columns, figsize=(10.5, 2.7 * rows), layout="constrained", squeeze=False
        )
        spots = [spot for line in grid for spot in line]
        for axes, curve in zip(spots, curves, strict=False):
            _curve(axes, curve)
        for spot in spots[len(curves) :]:
            spot.set_axis_off()
        _save(figure, path)


def _curve(axes: Axes, curve: dict[str, Any]) -> None:
    for name, ys in curve["lines"].items():
        slope = fitted(curve, name)
        label = name if slope == "-" else f"{name}, slope {slope}"
        axes.plot(curve["xs"], ys, "o-", color=COLOURS[name], markersize=4, label=label)
    axes.set_xscale("log")
    highest = max(max(ys) for ys in curve["lines"].values())
    axes.set_ylim(0, 1.35 * highest if highest else 1)  # room for the legend
    axes.set_title(curve["title"], fontsize=9, loc="left")
    axes.set_xlabel(curve["x"])
    axes.set_ylabel(curve["y"])
    axes.legend(fontsize=7, loc="upper left")


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, pil_kwargs={"optimize": True})
    plt.close(figure)
