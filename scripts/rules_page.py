"""The list of findings in docs/check.md, written from the catalogue: ``make findings``."""

from __future__ import annotations

from pathlib import Path

from tenantguard.checks.catalogue import GROUPS

PAGE = Path(__file__).parents[1] / "docs" / "check.md"
BEGIN, END = "<!-- findings: make findings -->\n", "<!-- end of findings -->\n"


def listed() -> str:
    """Return the section: every finding under its heading."""
    parts = []
    for group, rules in GROUPS.items():
        parts.append(f"### {group}\n")
        for rule in rules:
            parts.append(
                f"#### {rule.id} {rule.name}\n\n*{rule.severity}.* {rule.what}\n{rule.why}\n\nRemedy: {rule.remedy}\n"
            )
    return "\n".join(parts)


def main() -> None:
    """Write the section between its marks."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{listed()}\n{END}{after}")


if __name__ == "__main__":
    main()
