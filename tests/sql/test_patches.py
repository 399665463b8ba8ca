"""Patches: importing the library changes nothing in SQLAlchemy, and guarding engines changes it once."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from sqlalchemy import MetaData, create_engine
from sqlalchemy.engine import Connection, CursorResult, Engine, FrozenResult, Result
from sqlalchemy.engine.default import DefaultDialect, DefaultExecutionContext
from sqlalchemy.ext.compiler import _dispatcher
from sqlalchemy.orm import Mapper, Session, SessionTransaction, loading
from sqlalchemy.orm.state import InstanceState
from sqlalchemy.sql.compiler import SQLCompiler

HELD = (Connection, CursorResult, Engine, FrozenResult, Result, DefaultDialect, DefaultExecutionContext, _dispatcher,
        Mapper, Session, SessionTransaction, InstanceState, SQLCompiler, loading)
IGNORED = {"__warningregistry__", "__dict__", "__weakref__"}

def state():
    names = ((held, name) for held in HELD for name in vars(held) if name not in IGNORED)
    return {(held.__name__, name): id(vars(held)[name]) for held, name in names}

before = state()
import tenantguard
assert state() == before, "importing changed " + str(set(state().items()) ^ set(before.items()))

def guarded():
    engine = create_engine("sqlite://")
    tenantguard.guard(engine, tenantguard.Tenancy(MetaData(), column="company_id"))
    return state()

once = guarded()
assert once != before
assert guarded() == once, "guarding again changed " + str(set(guarded().items()) ^ set(once.items()))
"""


def test_importing_changes_nothing_and_guarding_changes_once() -> None:
    """Each patch is made by guard(), however many engines are guarded."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
