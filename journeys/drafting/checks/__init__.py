"""The register of checks: importing this package imports every file of it, so that each registers itself."""

from importlib import import_module
from pkgutil import iter_modules

from journeys.drafting.checks.base import CHECKS

for _module in sorted(m.name for m in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")

__all__ = ["CHECKS"]
