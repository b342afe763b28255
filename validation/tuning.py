"""Learning rate and length of training of nanoGPT's recipe, searched for the comparison with tables.

    python -m validation.tuning [ITERATIONS]

Each of three learning rates is tried with trainings of a quarter, half and all of ITERATIONS, each with its
own schedule, on a seed that no campaign uses. Prints accuracy and bits a character on the validation plays,
the energy attributed to each training and to each accuracy in it, and the energy of the whole search, which
a comparison with the tuned recipe has to add once.
"""

from __future__ import annotations

import time

import pandas as pd

from experiments.language_models import nanogpt
from experiments.language_models.contracts import Model
from experiments.language_models.corpus import load
from experiments.language_models.parameters import Parameters
from experiments.language_models.reaching import first_reached
from experiments.language_models.scoring import score
from joules import Meter
from joules.study.design import load_design
from validation.arguments import parse_numbers

RATES = (1e-3, 2e-3, 4e-3)
SHARES = (0.25, 0.5, 1.0)
LEVELS = (0.3, 0.35, 0.4, 0.45)
# No released campaign has seeds near it.
SEED = 9_000_001


def try_recipe(meter: Meter, parameters: Parameters) -> dict[str, float]:
    """Trains once and scores the checkpoints after the metered window.

    Returns:
        Accuracy, bits a character, joules and seconds of the training, and joules to each of `LEVELS`.
    """
    corpus = load("")
    noted: list[tuple[float, Model]] = []
    with meter.window("training") as window:
        start_s = time.perf_counter()
        nanogpt.train(
            corpus.train,
            len(corpus.alphabet),
            parameters,
            SEED,
            "cpu",
            lambda _, model: noted.append((time.perf_counter() - start_s, model)),
        )
        duration_s = time.perf_counter() - start_s
    energy_j = window.energy_attributed_j or float("nan")
    scores = [score(model, corpus.validation, parameters.checkpoint_stretches) for _, model in noted]
    spent_j = pd.Series([energy_j * at_s / duration_s for at_s, _ in noted])
    accuracy = pd.Series([right for right, _ in scores])
    return {
        "accuracy": scores[-1][0],
        "bits": scores[-1][1],
        "energy_j": energy_j,
        "time_s": duration_s,
        **{f"to_{level:g}_j": first_reached(spent_j, accuracy, level) for level in LEVELS},
    }


def main() -> None:
    """Prints a row for each trial, the cheapest trial for each accuracy, and the energy of the search."""
    most = parse_numbers(__doc__, iterations=600).iterations
    arm = load_design("language_models").runs("standard")["nanogpt"]
    rows = []
    with Meter() as meter:
        for rate in RATES:
            for share in SHARES:
                changes = {"learning_rate": rate, "iterations": max(1, round(share * most))}
                made = try_recipe(meter, Parameters.model_validate({**arm, **changes}))
                rows.append({**changes, **made})
                print("  ".join(f"{name} {number:.4g}" for name, number in rows[-1].items()), flush=True)
    table = pd.DataFrame(rows)
    for level in LEVELS:
        to_level = table[f"to_{level:g}_j"].dropna()
        if len(to_level):
            best = table.loc[to_level.idxmin()]
            print(
                f"accuracy {level:g} for the least energy: {best[f'to_{level:g}_j']:.4g} J, learning rate "
                f"{best['learning_rate']:g}, {best['iterations']:.0f} iterations"
            )
    print(f"energy of the search: {table['energy_j'].sum():.4g} J attributed, {table['time_s'].sum():.4g} s")


if __name__ == "__main__":
    main()
