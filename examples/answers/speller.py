"""A very small language model: which word was meant, by how often words and mistakes are met in the training pairs."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

FILE = "speller.json"
UNKNOWN = 0.01
ASKED = "Fix the spelling: "


def edits(word: str) -> Iterator[tuple[str, str]]:
    """What a word looks like after one mistake, with the kind of mistake."""
    yield word, "none"
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :], "drop"
        yield word[: at + 1] + word[at:], "double"
        if at + 1 < len(word):
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :], "swap"


def overlap(one: str, other: str) -> float:
    """The share of pairs of letters that two words have in common."""
    a, b = ({f" {word} "[i : i + 2] for i in range(len(word) + 1)} for word in (one, other))
    return len(a & b) / len(a | b)


@dataclass(frozen=True)
class Speller:
    """How often each word and each kind of mistake was met, and how boldly answers are drawn."""

    words: dict[str, int]
    mistakes: dict[str, int]
    temperature: float

    @cached_property
    def mistyped(self) -> dict[str, dict[str, list[str]]]:
        """For each word, what it looks like after which mistakes."""
        out: dict[str, dict[str, list[str]]] = {}
        for word in self.words:
            for text, kind in edits(word):
                out.setdefault(word, {}).setdefault(text, []).append(kind)
        return out

    def logs(self, prompt: str) -> dict[str, float]:
        """The logarithm of each word's probability to be what was meant."""
        typed = prompt.removeprefix(ASKED)
        total = sum(self.mistakes.values())
        weights = {}
        for word, times in self.words.items():
            kinds = self.mistyped[word].get(typed, ())
            how = sum(self.mistakes.get(kind, 0) for kind in kinds) / total / len(word)
            weights[word] = times * (how + UNKNOWN * math.exp(8 * overlap(word, typed) - 8))
        norm = math.log(sum(weights.values()))
        return {word: math.log(weight) - norm for word, weight in weights.items()}

    def answer(self, prompt: str, seed: str) -> str:
        """One answer, drawn; the same seed draws the same."""
        found = self.logs(prompt)
        chances = [math.exp(log / self.temperature) for log in found.values()]
        return random.Random(f"{seed} {prompt}").choices([*found], chances)[0]


def learn(pairs: Iterable[tuple[str, str]], temperature: float) -> Speller:
    """Count words and mistakes in pairs of prompt and reference."""
    words: Counter[str] = Counter()
    mistakes: Counter[str] = Counter()
    for prompt, reference in pairs:
        words[reference] += 1
        mistakes.update({kind for text, kind in edits(reference) if text == prompt.removeprefix(ASKED)})
    return Speller(dict(words), dict(mistakes), temperature)


def save(model: Speller, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(asdict(model), sort_keys=True))


def load(folder: Path) -> Speller:
    return Speller(**json.loads((folder / FILE).read_text()))
