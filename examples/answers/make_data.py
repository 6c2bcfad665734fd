"""Make `data/train.csv` and `data/prompts.csv`: words of `data/words.txt` as people mistype them.

Always the same bytes; the files are committed. In the list of words those used often come first, and many are one
mistake apart, so that no model can be always right.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"
SAMPLES = 4
NEAR = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wqrterituyospfdhgkjlxzvcmn", strict=False))


def mistyped(word: str, kind: str, random: random.Random) -> str:
    """The word with one mistake: two letters swapped, one left out, one doubled, or one key beside it; or with two."""
    if kind == "two":
        return mistyped(
            mistyped(word, random.choice(("swap", "near")), random), random.choice(("drop", "double")), random
        )
    at = random.randrange(len(word) - 1)
    if kind == "swap":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "drop":
        return word[:at] + word[at + 1 :]
    if kind == "double":
        return word[: at + 1] + word[at:]
    return word[:at] + NEAR[word[at]] + word[at + 1 :]


def pairs(count: int, random: random.Random) -> list[dict[str, str | float]]:
    """Prompts with the word that was meant, how it was mistyped, and how often such a word is met."""
    words = (DATA / "words.txt").read_text(encoding="utf-8").split()
    often = [1 / (10 + place) for place in range(len(words))]
    out = []
    for word in random.choices(words, often, k=count):
        kind = random.choices(("swap", "drop", "double", "near", "two"), (30, 25, 20, 15, 10))[0]
        prompt = f"Fix the spelling: {mistyped(word, kind, random)}"
        out.append({"prompt": prompt, "reference": word, "kind": kind, "weight": 1.0 if kind == "two" else 2.0})
    return out


def write(name: str, rows: list[dict[str, str | float]]) -> None:
    with (DATA / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    write("train.csv", pairs(1500, random.Random(1)))
    asked = [{"prompt_id": f"p{i:03d}", **row} for i, row in enumerate(pairs(300, random.Random(2)))]
    write("prompts.csv", [{"id": f"{row['prompt_id']}-{n}", **row} for row in asked for n in range(SAMPLES)])


if __name__ == "__main__":
    main()
