"""Type-checked by `tests/test_public_names.py`, never run: what mypy sees of the public functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

import duckdb
import pandas as pd
import polars as pl

import conv_analytics
from conv_analytics import Frames, describe, export, open_dataset
from conv_analytics.analysis import (
    Comparison,
    Units,
    calls,
    check,
    compare,
    detect_units,
    kpi,
    legs,
    offenders,
    quality,
)
from conv_analytics.analysis.rates import kpi as kpi_module
from conv_analytics.dataset import Dataset


def dataset() -> None:
    data = open_dataset("exports")
    assert_type(data, Dataset)
    assert_type(legs(data), pd.DataFrame)
    assert_type(quality(data, "strict", columns=["verdict"]), pd.DataFrame)
    assert_type(kpi(data, by=["network_code"], tz="Europe/Paris"), pd.DataFrame)
    assert_type(offenders(data, "network_code"), pd.DataFrame)
    assert_type(check(data, "poor > 3%"), pd.DataFrame)
    assert_type(detect_units(data), Units)
    assert_type(compare(data, data), Comparison)


def pandas(frames: Frames, tables: Mapping[str, pd.DataFrame], frame: pd.DataFrame) -> None:
    assert_type(calls(frames), pd.DataFrame)
    assert_type(calls(tables), pd.DataFrame)
    assert_type(calls({"hangups": frame}), pd.DataFrame)
    assert_type(kpi(frame), pd.DataFrame)


def relations(relation: duckdb.DuckDBPyRelation, connection: duckdb.DuckDBPyConnection) -> None:
    assert_type(kpi(relation), duckdb.DuckDBPyRelation)
    assert_type(kpi({"hangups": relation}), duckdb.DuckDBPyRelation)
    assert_type(kpi(connection), duckdb.DuckDBPyRelation)


def polars(frame: pl.DataFrame) -> None:
    assert_type(kpi(frame), pl.DataFrame)
    assert_type(kpi({"hangups": frame}), pl.DataFrame)


def wrong(frame: pd.DataFrame) -> None:
    kpi()  # type: ignore[call-overload]
    kpi("exports")  # type: ignore[call-overload]
    kpi(frame, zone="UTC")  # type: ignore[call-overload]
    conv_analytics.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def names() -> None:
    assert_type(conv_analytics.__version__, str)
    assert_type(kpi_module.kpi is kpi, bool)
    assert_type(conv_analytics.describe is describe, bool)
    assert_type(conv_analytics.export is export, bool)
