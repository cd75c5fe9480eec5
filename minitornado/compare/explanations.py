"""The table of explanations, explanations.toml: its form, and what an entry claims.  Pure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from .steps import Step

#: The versions that the table was written for; in others there may be differences that it
#: doesn't know.
TESTED = ("4.4", "4.5", "6.6")


@dataclass(frozen=True)
class Explanation:
    """One reason for differences; the fields are described in the table's head."""

    name: str
    versions: tuple[str, ...]
    what: str
    why: str
    where: tuple[str, ...]
    claims: tuple[str, ...]
    scenarios: tuple[str, ...] = ()
    times: int = 1

    def may_claim(self, already: int) -> bool:
        """Tell whether it explains a step once more that it has explained `already` times."""
        return not self.scenarios or already < self.times

    def explains(self, side: str, step: Step, scenario: str, version: str) -> bool:
        """Tell whether this is the reason why `step` is on one `side` only."""
        return (
            version.startswith(self.versions)
            and (not self.scenarios or scenario in self.scenarios)
            and any(claims(claim, side, step) for claim in self.claims)
        )


def claims(claim: str, side: str, step: Step) -> bool:
    """Tell whether a claim, as it stands in the table, is about a step.

    >>> claims("< send c1 [0-9]+ bytes", "<", Step("kernel", "send c1 5 bytes"))
    True
    """
    mark, pattern = claim.split(" ", 1)
    key, _, told = pattern.partition(" | ")
    return (
        side in mark
        and re.fullmatch(key, step.key) is not None
        and (not told or re.fullmatch(told, step.told) is not None)
    )


def _load() -> tuple[Explanation, ...]:
    text = resources.files(__package__).joinpath("explanations.toml").read_text("utf-8")
    return tuple(_entry(values) for values in tomllib.loads(text)["explanation"])


def _entry(values: dict[str, Any]) -> Explanation:
    for name in ("versions", "where", "claims"):
        values[name] = tuple(values[name])
    for name in ("what", "why"):
        values[name] = " ".join(values[name].split())
    values["scenarios"] = tuple(values.get("scenarios", "").split())
    return Explanation(**values)


EXPLANATIONS = _load()
