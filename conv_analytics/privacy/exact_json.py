"""Decodes and encodes JSON with every number as written: a price of twenty digits is not rounded to a double.

>>> encode(decode(b'{"price":0.03990000000000000012,"rate":1.50}'))
b'{"price":0.03990000000000000012,"rate":1.50}'
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

decode = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(decimal_format="number").encode

__all__ = ["decode", "encode"]
