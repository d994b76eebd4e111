"""Masking: personal data of the API becomes tokens before anything else sees it; equal values have equal tokens."""

from __future__ import annotations

from conv_analytics.privacy.key import KEY_VARIABLE, exposed, load_key
from conv_analytics.privacy.mask import Mask
from conv_analytics.privacy.rules import DEFAULTS, Action, Kind, read_rules

__all__ = ["DEFAULTS", "KEY_VARIABLE", "Action", "Kind", "Mask", "exposed", "load_key", "read_rules"]
