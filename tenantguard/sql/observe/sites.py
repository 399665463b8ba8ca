"""Call sites: the line of the application that sends a statement."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import sqlalchemy

_OURS = str(Path(__file__).parents[2])
_SQLALCHEMY = str(Path(sqlalchemy.__file__).parent)
_PATHS = sysconfig.get_paths()
_INSTALLED = (
    _PATHS["stdlib"],
    _PATHS["platstdlib"],
    _PATHS["purelib"],
    _PATHS["platlib"],
    *site.getsitepackages(),
    site.getusersitepackages(),
)
_DEEPEST = 400  # frames that are looked at
_DEPTHS = 4  # of the stack that are remembered of a statement
APPLICATION, INSTALLED, BETWEEN = 0, 1, 2  # of whom a file is; the last: of SQLAlchemy, or of ours


class Sites:
    """The finder of the line that sends a statement: the innermost one of the application's own code.

    Where every file of the stack is an installed package, as those of an application that was installed, it is the
    innermost one outside of SQLAlchemy.
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def frame(self, depths: list[tuple[int, CodeType]]) -> FrameType | None:
        """Return the frame of that line, or ``None`` where nothing but SQLAlchemy is on the stack.

        Args:
            depths: how deep the stack was where the same statement was found before, and the function of SQLAlchemy's
                that the line has called. To make a frame object of each frame costs twice as much as all the rest.
        """
        known = self._known
        for depth, below in depths:
            try:
                lower = sys._getframe(depth)
            except ValueError:  # the stack is not as deep this time
                continue
            if lower.f_code is below:
                frame = lower.f_back
                if frame is not None and known.get(frame.f_code.co_filename) == APPLICATION:
                    return frame
        return self._search(depths)

    def _search(self, depths: list[tuple[int, CodeType]]) -> FrameType | None:
        known, installed = self._known, None
        frame: FrameType | None = sys._getframe(2)
        below: CodeType | None = None
        above = None
        for depth in range(_DEEPEST):
            if frame is None:
                frame, above = _outside(above)
                below = None
                if frame is None:
                    break
                continue
            name = frame.f_code.co_filename
            whose = known.get(name)
            if whose is None:
                known[name] = whose = _whose(name)
            if whose == APPLICATION:
                if below is not None and above is None:
                    depths[:] = [(depth, below), *depths[: _DEPTHS - 1]]
                return frame
            if whose == INSTALLED and installed is None:
                installed = frame
            below, frame = frame.f_code, frame.f_back
        return installed

    def entry(self, frame: FrameType) -> FrameType:
        """Return the outermost frame of the application above one, where its work begins."""
        outermost, here, above = frame, frame.f_back, None
        for _ in range(_DEEPEST):
            if here is None:
                here, above = _outside(above)
                if here is None:
                    break
                continue
            name = here.f_code.co_filename
            if self._known.setdefault(name, _whose(name)) == APPLICATION:
                outermost = here
            here = here.f_back
        return outermost


def is_composed(frame: FrameType | None) -> bool:
    """Tell whether SQLAlchemy itself sends a statement, as it does to learn of a server or of its tables.

    Args:
        frame: the frame to begin with.
    """
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_SQLALCHEMY):
            inner = name[len(_SQLALCHEMY) :].replace("\\", "/")
            if inner == "/engine/reflection.py" or frame.f_code.co_name in ("initialize", "first_connect"):
                return True
        elif not name.startswith(_OURS):
            return False
        frame = frame.f_back
    return False


def _whose(name: str) -> int:
    if name.startswith((_SQLALCHEMY, _OURS)):
        return BETWEEN
    if name.startswith(_INSTALLED) or "site-packages" in name or "dist-packages" in name:
        return INSTALLED
    return INSTALLED if name.startswith("<") else APPLICATION


def _outside(greenlet: Any) -> tuple[FrameType | None, Any]:
    """Return the frame that waits for the greenlet a statement of an asynchronous engine runs in."""
    module = sys.modules.get("greenlet")
    if module is None:
        return None, None
    parent = (module.getcurrent() if greenlet is None else greenlet).parent
    return (None, None) if parent is None else (parent.gr_frame, parent)
