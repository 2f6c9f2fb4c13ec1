"""Platforms that price a study, opened again, and as commands name them."""

from __future__ import annotations

from collections.abc import Mapping

from dse.evaluator.pricing import CHIP_FILE, CONTENT
from dse.study.result import Study
from platforms import Platform, open_platform


def platforms_of(study: Study) -> dict[str, Platform]:
    """The study's platforms by name; a chip of the user's own as its file was then.

    Studies of an earlier version kept no files: such a chip is there only where the study was priced for it anew.
    """
    opened = {
        name: study.chips[spec].open() if spec in study.chips else open_platform(spec)
        for name, spec in study.identity.get("platforms", {}).items()
        if spec in study.chips or not spec.startswith(CONTENT)
    }
    return {**opened, **study.priced}


def options_of(study: Study, specs: Mapping[str, str]) -> list[str]:
    """What --platform takes for platforms by name, as `identity` has them: a chip's file where it was."""
    return [
        study.chips[spec].path if spec in study.chips else f"{name}{CHIP_FILE}" if spec.startswith(CONTENT) else spec
        for name, spec in specs.items()
    ]
