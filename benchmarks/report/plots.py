"""The pictures: light, legible, every axis named with its unit."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

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
}
STYLE: Any = {
    "figure.dpi": 110,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def micro(raw: dict[str, Any], backend: str, *, cold: bool, path: Path) -> bool:
    """Draw what each variant costs against no isolation, one line per case; return whether there was anything."""
    groups = [
        (case, ratios(by_variant, BASE))
        for where, case, is_cold, by_variant in found(raw)
        if where == backend and is_cold == cold
    ]
    groups = [(case, against) for case, against in groups if len(against) > 1]
    if not groups:
        return False
    names = [name for name in VARIANTS if name != BASE and any(name in against for _, against in groups)]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8, 1.2 + 0.42 * len(groups)), layout="constrained")
        for place, name in enumerate(names):
            points = [(i, against[name]) for i, (_, against) in enumerate(groups) if name in against]
            ys = [i + (place - (len(names) - 1) / 2) * 0.11 for i, _ in points]
            xs = [one.value for _, one in points]
            reach = [
                [max(0.0, one.value - one.low) for _, one in points],
                [max(0.0, one.high - one.value) for _, one in points],
            ]
            style: dict[str, Any] = {"color": COLOURS[name], "markersize": 6 if name == "tenantguard" else 4}
            axes.errorbar(xs, ys, xerr=reach, fmt="o", elinewidth=1, label=VARIANTS[name].title, **style)
        axes.axvline(1, color=COLOURS[BASE], linewidth=1)
        axes.set_yticks(range(len(groups)), [CASES[case].title for case, _ in groups])
        axes.invert_yaxis()
        unit = "CPU time" if clock(backend) == "cpu" else "wall time"
        state = "first compilation" if cold else "warm"
        axes.set_xlabel(f"{unit} against no isolation (1 = no cost), {state}, {backend}")
        axes.legend(fontsize=8, loc="best")
        _save(figure, path)
    return True


def request(series: list[dict[str, Any]], path: Path) -> None:
    """Draw what a request costs in each application, in process."""
    rows = [(APPLICATIONS[one["kind"]], median(one["cpu"]) / 1_000) for one in series]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8, 0.9 + 0.32 * len(rows)), layout="constrained")
        colours = [
            COLOURS["tenantguard"] if "tenantguard" in kind.title else COLOURS["unguarded"]
            for kind, _ in rows
        ]
        bars = axes.barh([kind.title for kind, _ in rows], [value for _, value in rows], color=colours)
        axes.bar_label(bars, fmt="%.1f", padding=3)
        axes.invert_yaxis()
        axes.set_xlabel("µs of CPU time for one request, in process (lower is better)")
        _save(figure, path)


def load(raw: dict[str, Any], path: Path) -> None:
    """Draw requests per second of each server, a dot for each round."""
    backends = list(dict.fromkeys(run["backend"] for run in raw["runs"]))
    with mpl.rc_context(STYLE):
        figure, grid = plt.subplots(
            1, len(backends), figsize=(4.4 * len(backends), 2.6), layout="constrained", squeeze=False
        )
        for axes, backend in zip(grid[0], backends, strict=True):
            _servers(axes, by_kind(raw, backend), backend)
        _save(figure, path)


def _servers(axes: Axes, runs: dict[str, list[dict[str, Any]]], backend: str) -> None:
    for place, (kind, rounds) in enumerate(runs.items()):
        rates = [run["rate"] for run in rounds]
        colour = COLOURS.get(kind, "#4b5563")
        bars = axes.barh([place], [median(rates)], color=colour, alpha=0.85)
        axes.bar_label(bars, fmt="%.0f", padding=8)
        axes.plot(rates, [place] * len(rates), "o", color="#111827", markersize=3)
    axes.set_yticks(range(len(runs)), [SERVERS[kind].title.replace(", ", ",\n") for kind in runs])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(f"requests per second, one server process ({backend})")


def scale(curves: list[dict[str, Any]], path: Path) -> None:
    """Draw every curve with its fitted slope."""
    columns = 3
    rows = -(-len(curves) // columns)
    with mpl.rc_context(STYLE):
        figure, grid = plt.subplots(
            rows, columns, figsize=(10.5, 2.6 * rows), layout="constrained", squeeze=False
        )
        spots = [spot for line in grid for spot in line]
        for axes, curve in zip(spots, curves, strict=False):
            for name, ys in curve["lines"].items():
                label = f"{name}, slope {fitted(curve, name)}"
                axes.plot(curve["xs"], ys, "o-", color=COLOURS[name], markersize=4, label=label)
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.set_title(curve["title"], fontsize=9)
            axes.set_xlabel(curve["x"])
            axes.set_ylabel(curve["y"])
            axes.legend(fontsize=7)
        for spot in spots[len(curves) :]:
            spot.set_axis_off()
        _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path)
    plt.close(figure)
