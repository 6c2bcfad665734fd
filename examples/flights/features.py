"""From the columns of a flight to the numbers that the model sees: the same in training, prediction and server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from calendar_features import days_to_holidays
from numpy import ma

CATEGORIES = ("carrier", "origin", "dest")
DATE = ("year", "month", "day")
NUMBERS = ("weekday", "hour", "minute", "distance", "departures")
# Not known of every flight.
OPTIONAL = ("plane_year", "seats", "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
COLUMNS = (*CATEGORIES, *DATE, *NUMBERS, *OPTIONAL)

Columns = Mapping[str, Sequence[Any] | np.ndarray]
Vocabulary = Mapping[str, Sequence[str]]


def learn_vocabulary(columns: Columns, late: np.ndarray) -> dict[str, list[str]]:
    """The values of each category, from the most punctual to the latest: in that order one split can part them."""
    vocabulary = {}
    for name in CATEGORIES:
        values, codes = np.unique(np.asarray(columns[name], dtype=str), return_inverse=True)
        rate = np.bincount(codes, weights=late) / np.bincount(codes)
        vocabulary[name] = values[np.argsort(rate, kind="stable")].tolist()
    return vocabulary


def numbers(values: Sequence[Any] | np.ndarray) -> np.ndarray:
    """The values as floats, NaN where one is not known (None, or masked)."""
    return ma.filled(ma.asarray(values, dtype=np.float64), np.nan)


def codes(values: Sequence[Any] | np.ndarray, vocabulary: Sequence[str]) -> np.ndarray:
    """The place of each value in the vocabulary, NaN for one that training has not seen."""
    place = {value: float(index) for index, value in enumerate(vocabulary)}
    return np.array([place.get(value, np.nan) for value in values])


def matrix(columns: Columns, vocabulary: Vocabulary) -> np.ndarray:
    """The features of each row: float64, (rows, features), NaN where a value is not known."""
    year, month, day = (numbers(columns[name]) for name in DATE)
    return np.column_stack(
        [
            *(codes(columns[name], vocabulary[name]) for name in CATEGORIES),
            *(numbers(columns[name]) for name in (*NUMBERS, *OPTIONAL)),
            *days_to_holidays(year, month, day),
        ]
    )
