from collections.abc import Callable

import numpy as np

from truecast.core.recipe import Recipe
from truecast.pipelines.studies import Studies
from truecast.pipelines.study import Researcher
from truecast.serving.planning import roster, slots_of

Make = Callable[..., Recipe]
Open = Callable[[Recipe], Studies]

MODELS = ["har_leverage", "naive", {"ensemble": {"of": ["har_leverage", "naive"]}}]


def test_an_ensemble_of_walked_models_is_what_it_would_be_if_fitted(
    small_recipe: Make, studies: Open
) -> None:
    recipe = small_recipe(targets={"volatility": {"models": MODELS}})
    researcher, slot = studies(recipe).researcher("^GSPC"), slots_of(recipe)[0]
    fits: list[str] = []

    def counted(self: Researcher, *args: object) -> object:
        fits.append(args[0].name)  # type: ignore[attr-defined]
        return Researcher.fit(researcher, *args)  # type: ignore[arg-type]

    researcher.fit = counted.__get__(researcher)  # type: ignore[method-assign]
    walked, _ = researcher.walk(slot, lambda: None)
    assert set(walked) == set(roster(recipe, "volatility"))
    assert len(fits) == researcher.fits(slot)
    assert "ensemble" not in fits

    choice = roster(recipe, "volatility")["ensemble"]
    fold = researcher.folds_over(range(researcher.parts.evaluation.start, 10**6))[2]
    model, features = Researcher.fit(researcher, choice, slot, fold)
    rows = slice(fold.start, fold.stop)
    np.testing.assert_array_equal(
        model.predict(researcher.dataset.windows(features, model.window)[rows]),
        walked["ensemble"][rows],
    )


def test_the_champion_is_chosen_without_the_evaluation(small_recipe: Make, studies: Open) -> None:
    """Changing what came of the evaluation's rows changes no choice."""
    recipe = small_recipe(targets={"price": {"models": ["ridge", "lightgbm"]}})
    opened, slot = studies(recipe), slots_of(recipe)[0]
    study, researcher = opened.study(slot), opened.researcher("^GSPC")
    spoiled = {name: values.copy() for name, values in study.predictions.items()}
    for values in spoiled.values():
        values[researcher.parts.evaluation.start :] = 50.0
    again = researcher.study(slot, spoiled, study.variance)
    assert again.validation_losses == study.validation_losses
    assert again.champion == min(study.validation_losses, key=study.validation_losses.__getitem__)


def test_a_study_is_read_back_only_for_the_same_data_and_recipe(
    small_recipe: Make, studies: Open
) -> None:
    recipe = small_recipe()
    slot = slots_of(recipe)[0]
    first = studies(recipe)
    study = first.study(slot)
    steps: list[int] = []

    class Listener:
        def stage(self, name: str) -> None: ...

        def step(self, what: str, done: int, total: int) -> None:
            steps.append(done)

    again = Studies(first.workspace, recipe, Listener())
    np.testing.assert_array_equal(
        again.study(slot).predictions["logistic"], study.predictions["logistic"]
    )
    assert steps == []
    other = small_recipe(evaluate={**recipe.evaluate.model_dump(by_alias=True), "refit_every": 30})
    Studies(first.workspace, other, Listener()).study(slot)
    assert steps
