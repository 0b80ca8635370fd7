"""How hypothesis runs here: no deadline for an example, as the machine may be busy with other things."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("popbridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("popbridge")
