"""Unit-of-work programs: objects are loaded, changed, moved between parents, deleted, merged and rolled back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tenantguard.testing.generator.draft import Draft
from tenantguard.testing.generator.rows import attributes, change, new_row, writable_classes
from tenantguard.testing.generator.schema import ClassInfo, Relation


@dataclass
class Unit:
    """The objects that the program has names for."""

    d: Draft
    objects: list[tuple[str, ClassInfo]] = field(default_factory=list)

    def step(self, *lines: str) -> None:
        """Write a step of the program."""
        self.d.body += ["with see:", *(f"    {line}" for line in lines)]

    def load(self, cls: ClassInfo | None = None) -> tuple[str, ClassInfo]:
        """Load an object of one's own, and give it a name."""
        d = self.d
        kind = cls or d.pick(writable_classes(d))
        name = d.fresh("o")
        key = f"own({kind.name!r}, {d.upto(2)})"
        if d.chance(70):
            self.step(f"{name} = db.get({kind.name}, {key})")
        else:
            order = ", ".join(f"{kind.name}.{k}" for k in kind.key)
            self.step(f"{name} = db.scalars(select({kind.name}).order_by({order}).limit(1)).one()")
        self.objects.append((name, kind))
        return self.objects[-1]

    def known(self, *, writable: bool = True) -> tuple[str, ClassInfo]:
        """Return an object that has a name, or load one."""
        able = [o for o in self.objects if o[1] in writable_classes(self.d) or not writable]
        return self.d.pick(able) if able and not self.d.chance(25) else self.load()

    def of(self, cls: str) -> tuple[str, ClassInfo]:
        """Return an object of a class, or of one below it."""
        info = self.d.schema.classes[cls]
        able = [o for o in self.objects if o[1].name in (cls, *info.subclasses)]
        return self.d.pick(able) if able and not self.d.chance(30) else self.load(info)

    def made(self, cls: ClassInfo) -> str:
        """Return code that makes a new object."""
        row = new_row(self.d, self.d.schema.tables[cls.table], named=attributes(cls), tenant=False)
        return f"{cls.name}(**{row})"


def unit_of_work(d: Draft) -> None:
    """Write a few steps and commit; what they did to each object is looked at in the end."""
    unit = Unit(d)
    for _ in range(1 + d.upto(4)):
        d.pick(STEPS)(unit)
    unit.step("db.commit()" if d.chance(60) else "db.flush()")
    for name, _ in unit.objects[:2]:
        unit.step(f"see({name})")


def _change(unit: Unit) -> None:
    name, cls = unit.known()
    changed = change(unit.d, cls.attributes)
    if changed is not None:
        unit.d.did("unit: change")
        unit.step(f"{name}.{changed[0]} = {changed[1]}")


def _change_by_expression(unit: Unit) -> None:
    name, cls = unit.known()
    able = [n for n, info in cls.attributes if info.kind == "int" and not (info.primary or info.foreign)]
    if able:
        attribute = unit.d.pick(able)
        unit.d.did("unit: change by expression")
        unit.step(f"{name}.{attribute} = {cls.name}.{attribute} + 1", "db.flush()")


def _add(unit: Unit) -> None:
    cls = unit.d.pick(writable_classes(unit.d))
    unit.d.did("unit: add")
    name = unit.d.fresh("o")
    unit.step(f"{name} = {unit.made(cls)}", f"db.add({name})", *_flushed(unit))
    unit.objects.append((name, cls))


def _flushed(unit: Unit) -> list[str]:
    return ["db.flush()"] if unit.d.chance(50) else []


def _relation(unit: Unit, able: Callable[[Relation], bool]) -> tuple[str, Relation] | None:
    name, cls = unit.known()
    found = [r for r in cls.relations if able(r) and not r.view_only and not r.dynamic]
    found = [r for r in found if _is_written(unit.d, cls, r)]
    return (name, unit.d.pick(found)) if found else None


def _is_written(d: Draft, cls: ClassInfo, relation: Relation) -> bool:
    """Leave out a parent that says which tenant a row belongs to: one tenant's developer has no such choice."""
    column = d.schema.tables[cls.table].tenant_column
    prop = cls.cls.__mapper__.relationships[relation.name]
    return all(local.name != column for local, _ in prop.local_remote_pairs) or relation.many


def _point(unit: Unit) -> None:
    found = _relation(unit, lambda r: not r.many)
    if found is None:
        _change(unit)
        return
    name, relation = found
    if unit.d.chance(25):
        unit.d.did("unit: parent taken away")
        unit.step(f"{name}.{relation.name} = None", *_flushed(unit))
        return
    other, _ = unit.of(relation.target)
    unit.d.did("unit: another parent")
    unit.step(f"{name}.{relation.name} = {other}", *_flushed(unit))


def _append(unit: Unit) -> None:
    found = _relation(unit, lambda r: r.many)
    if found is None:
        _add(unit)
        return
    name, relation = found
    target = unit.d.schema.classes[relation.target]
    if unit.d.chance(50) and unit.d.schema.tables[target.table].writable:
        unit.d.did("unit: new child")
        unit.step(f"{name}.{relation.name}.append({unit.made(target)})", *_flushed(unit))
        return
    other, _ = unit.of(relation.target)
    unit.d.did(f"unit: appended, {relation.direction.replace('_', ' ')}")
    unit.step(f"{name}.{relation.name}.append({other})", *_flushed(unit))


def _remove(unit: Unit) -> None:
    found = _relation(unit, lambda r: r.many)
    if found is None:
        _delete(unit)
        return
    name, relation = found
    end = unit.d.pick(("pop", "clear", "empty list"))
    unit.d.did(f"unit: {end}, {relation.direction.replace('_', ' ')}")
    if relation.orphans:
        unit.d.did("unit: orphans removed")
    children = f"{name}.{relation.name}"
    lines = {
        "pop": f"{children}.remove({_first(unit, children, relation)})",
        "clear": f"{children}.clear()",
        "empty list": f"{children} = []",
    }
    unit.step(lines[end], *_flushed(unit))


def _first(unit: Unit, children: str, relation: Relation) -> str:
    key = ", ".join(f"x.{k}" for k in unit.d.schema.classes[relation.target].key)
    return f"min({children}, key=lambda x: ({key},))"


def _move(unit: Unit) -> None:
    """Take a child from one parent's collection into another's."""
    found = _relation(unit, lambda r: r.many)
    if found is None:
        _point(unit)
        return
    name, relation = found
    cls = next(c for n, c in unit.objects if n == name)
    other, _ = unit.load(cls)
    unit.d.did("unit: moved between collections")
    unit.step(
        f"child = {_first(unit, f'{name}.{relation.name}', relation)}",
        f"{name}.{relation.name}.remove(child)",
        f"{other}.{relation.name}.append(child)",
        *_flushed(unit),
    )


def _delete(unit: Unit) -> None:
    name, cls = unit.known()
    unit.d.did("unit: delete")
    if any(relation.cascades for relation in cls.relations):
        unit.d.did("unit: delete cascades")
    unit.step(f"db.delete({name})", *_flushed(unit))


def _merge(unit: Unit) -> None:
    cls = unit.d.pick(writable_classes(unit.d))
    unit.d.did("unit: merge")
    made = unit.made(cls)
    name = unit.d.fresh("o")
    if len(cls.key) == 1 and unit.d.chance(60):
        changed = change(unit.d, cls.attributes)
        more = f", {changed[0]}={changed[1]}" if changed is not None else ""
        made = f"{cls.name}({cls.key[0]}=own({cls.name!r}, {unit.d.upto(2)}){more})"
    unit.step(f"{name} = db.merge({made})", *_flushed(unit))
    unit.objects.append((name, cls))


def _refresh(unit: Unit) -> None:
    name, cls = unit.known()
    how = unit.d.pick(("refresh", "expire", "expunge"))
    unit.d.did(f"unit: {how}")
    names = [n for n, info in cls.attributes if not info.primary]
    some = f", [{unit.d.pick(names)!r}]" if names and how != "expunge" and unit.d.chance(40) else ""
    unit.step(f"db.{how}({name}{some})", f"see({name})")


def _session(unit: Unit) -> None:
    what = unit.d.pick(("flush", "commit", "expire_all", "rollback", "expunge_all"))
    unit.d.did(f"unit: {what}")
    unit.step(f"db.{what}()")


def _query(unit: Unit) -> None:
    cls = unit.d.pick(writable_classes(unit.d))
    unit.d.did("unit: autoflush")
    unit.step(f"see(db.scalars(select({cls.name})))")


def _savepoint(unit: Unit) -> None:
    name, cls = unit.known()
    changed = change(unit.d, cls.attributes)
    act = f"{name}.{changed[0]} = {changed[1]}" if changed is not None else f"db.delete({name})"
    end = unit.d.pick(("commit", "rollback"))
    unit.d.did(f"unit: savepoint, {end}")
    unit.step("savepoint = db.begin_nested()", act, "db.flush()", f"savepoint.{end}()")


def _bulk(unit: Unit) -> None:
    d = unit.d
    cls = d.pick(writable_classes(d))
    row = new_row(d, d.schema.tables[cls.table], named=attributes(cls), tenant=True)
    changed = change(d, cls.attributes)
    how = d.pick(("bulk_save_objects", "bulk_insert_mappings", "bulk_update_mappings", "add_all"))
    if how == "bulk_update_mappings" and (changed is None or len(cls.key) != 1):
        how = "bulk_insert_mappings"
    d.did(f"unit: {how}")
    if how == "bulk_update_mappings" and changed is not None:
        rows = f"{{{cls.key[0]!r}: own({cls.name!r}, {d.upto(2)}), {changed[0]!r}: {changed[1]}}}"
        unit.step(f"db.{how}({cls.name}, [{rows}])")
    elif how == "bulk_insert_mappings":
        unit.step(f"db.{how}({cls.name}, [{row}])")
    else:
        unit.step(f"db.{how}([{cls.name}(**{row})])", *_flushed(unit))


STEPS: tuple[Callable[[Unit], None], ...] = (
    _change,
    _add,
    _point,
    _append,
    _remove,
    _move,
    _delete,
    _merge,
    _refresh,
    _session,
    _query,
    _savepoint,
    _change_by_expression,
    _bulk,
)
