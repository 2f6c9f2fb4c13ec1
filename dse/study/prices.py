"""Platforms that price a study, opened again."""

from __future__ import annotations

from dse.evaluator.pricing import open_platforms
from dse.study.result import Study
from platforms import Platform

CONTENT = "sha256:"  # of a chip's file, which a study knows by its content alone


def platforms_of(study: Study) -> dict[str, Platform]:
    """The study's platforms by name; a chip of the user's own only where the study was priced for it anew."""
    specs = [spec for spec in study.identity.get("platforms", {}).values() if not spec.startswith(CONTENT)]
    return {**open_platforms(specs), **study.priced}
