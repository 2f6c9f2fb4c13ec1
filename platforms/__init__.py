"""Hardware platforms that price a configured network: `open_platform("silago").estimate(workload, configuration)`.

To add a platform:
1. `platforms/x.py`: a dataclass, frozen, kw_only and eq=False, that inherits `platforms.base.Platform` and gives
   `supported_bits` and `matvec_cost`; `elementwise_cost`, `exploits_computed` and `area_mm2` where they are known,
   `row_scales` and `zero_points` where it takes none, `priced_bits` where its rules know 1 bit. Each number of its
   model is a field made with `constant`: unit, source, trust. Of this project it imports `platforms` and
   `models.workload` alone.
2. A line in PLATFORMS. Commands, searches and reports know it then.
3. `tests/chips/test_platform_conformance.py` holds it to what every platform must keep; where fewer bits may cost more
   it says why in NOT_MONOTONE there.

A chip that a table of throughputs describes needs no code: see `example_chip.toml`.
"""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from models.workload import InputError
from platforms.base import Constant, Cost, Estimate, Platform
from platforms.listing import describe

__all__ = ["PLATFORMS", "Constant", "Cost", "Estimate", "Platform", "describe", "open_platform", "parameters"]

PLATFORMS = {
    "silago": "platforms.silago:SiLago",
    "bitfusion": "platforms.bitfusion:BitFusion",
    "stripes": "platforms.bitserial:Stripes",
    "loom": "platforms.bitserial:Loom",
    "unpu": "platforms.bitserial:Unpu",
    "bismo": "platforms.bitserial:Bismo",
    "edgedrnn": "platforms.deltarnn:EdgeDrnn",
    "deltarnn": "platforms.deltarnn:DeltaRnn",
    "cortex_m4": "platforms.cortexm:CortexM4",
    "cortex_m7": "platforms.cortexm:CortexM7",
    "cortex_m33": "platforms.cortexm:CortexM33",
    "cortex_m55": "platforms.cortexm:CortexM55",
    "cortex_m85": "platforms.cortexm:CortexM85",
    "epiphany": "platforms.epiphany:Epiphany",
    "systolic": "platforms.systolic:Systolic",
}


def open_platform(spec: str) -> Platform:
    """Open the platform of a spec: a registered name, a name with parameters, or the path of a chip's .toml file.

    Parameters follow the name: "bitfusion:level=ideal,batch=16". Raises InputError for a wrong name, parameter or
    value, listing what is valid; MissingError without the file.
    """
    if spec.endswith(".toml"):
        from platforms.custom import load_chip

        return load_chip(Path(spec))
    name, _, given = spec.partition(":")
    if name not in PLATFORMS:
        raise InputError(f"no platform '{name}'; valid: {', '.join(PLATFORMS)}, or the path of a .toml file")
    module, _, attribute = PLATFORMS[name].partition(":")
    kind: type[Platform] = getattr(import_module(module), attribute)
    valid = parameters(kind)
    chosen: dict[str, Any] = {}
    for item in filter(None, given.split(",")):
        key, equals, text = item.partition("=")
        if key in chosen:
            raise InputError(f"platform {name}: {key} is given twice")
        if key not in valid or not equals:
            raise InputError(f"platform {name}: '{item}' sets no parameter; valid: {', '.join(valid)}, as name=value")
        chosen[key] = _parse(f"platform {name}, {key}", text, valid[key])
    return kind(name=spec, **chosen)


def parameters(kind: type[Platform]) -> dict[str, Any]:
    """Names and types of the parameters that `open_platform` can set."""
    types = get_type_hints(kind)
    return {f.name: types[f.name] for f in fields(kind) if f.name != "name" and not _is_table(types[f.name])}


def _is_table(annotation: Any) -> bool:
    return "Mapping" in str(annotation)


def _parse(where: str, text: str, annotation: Any) -> Any:
    """Convert text to the annotated type: bool, int, float, str, or one of them or None."""
    kinds = getattr(annotation, "__args__", (annotation,))
    if type(None) in kinds and text == "none":
        return None
    try:
        if bool in kinds:
            return {"true": True, "false": False}[text]
        if int in kinds:
            return int(text)
        return float(text) if float in kinds else text
    except (KeyError, ValueError) as error:
        expected = "true or false" if bool in kinds else "a whole number" if int in kinds else "a number"
        raise InputError(f"{where}: '{text}' is not {expected}") from error
