from pathlib import Path

import pytest
import yaml
from pages import make_run, page_of

from gnn_distill.errors import UserError
from gnn_distill.storage.checksums import write_json
from gnn_distill.storage.run_directory import read_summary, write_failure


def sweep_of(folder: Path, **changes) -> Path:
    """micro x macro x seed, and one run that did not finish."""
    for index, (micro, macro, seed) in enumerate((i, j, s) for i in (10, 2) for j in (0, 1, 0.5) for s in (0, 1)):
        words = (f"loss.weights.micro={micro}", f"++loss.weights.macro={macro}", f"seed={seed}", "tracker=none")
        run = make_run(folder / str(index), *words, test=(micro + macro + seed) / 20, **changes)
    (run / "summary.json").unlink()
    multirun = {"hydra": {"overrides": {"task": ["loss.weights.micro=10,2", "seed=0,1"]}}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(multirun))
    return folder


def test_a_sweep_is_a_map_of_the_keys_that_vary_most(tmp_path):
    page = page_of(sweep_of(tmp_path / "sweep"))
    assert "Sweep of loss.weights.macro and loss.weights.micro" in page.text
    assert "11\nfinished, 1 not" in page.text
    assert "Runs without a result: 11." in page.text
    assert "mean over seed" in page.text
    assert "loss.weights.macro: 0, 0.5, 1; loss.weights.micro: 2, 10" in page.text  # numbers in their order
    assert "gnn-distill train -m loss.weights.micro=10,2 seed=0,1" in page.text
    assert "10\n1\n" not in page.text.partition("\nRuns\n")[0]  # keys in the order of the map: macro, micro
    assert "1\n10\n81.2 ± 0.0\n57.5 ± 3.5\n2" in page.text
    assert page.tags["svg"] == 2
    for name in ("heatmap.png", "heatmap_test.png"):
        assert (tmp_path / "sweep" / name).read_bytes().startswith(b"\x89PNG")


def test_a_sweep_names_its_data_and_models_and_how_its_result_was_chosen(tmp_path):
    page = page_of(sweep_of(tmp_path / "sweep"))
    assert "graphormer ← gin on TOY · Sweep of loss.weights.macro and loss.weights.micro" in page.texts[0]  # the title
    assert "graphormer ← gin on TOY, 1,000 train, 20 val, 30 test: 11 finished runs of 6 settings." in page.text
    assert "The setting with the highest mean accuracy (%) on validation is chosen; its test score is" in page.text
    assert "6 settings have the best validation score; the first of them is chosen." in page.text


def validated(folder: Path, values: dict[str, tuple[float, float]], **changes) -> Path:
    """A sweep over the rate of learning, whose runs have these scores on validation and test."""
    for rate, (val, test) in values.items():
        student = {"train": {"accuracy": 1.0}, "val": {"accuracy": val}, "test": {"accuracy": test}}
        make_run(folder / rate, f"optim.lr={rate}", "optim.warmup=2", **{"student": student, **changes})
    return folder


def test_only_the_test_score_of_the_setting_chosen_on_validation_is_a_headline(tmp_path):
    page = page_of(validated(tmp_path, {"0.1": (0.7, 0.9), "0.2": (0.8, 0.6), "0.3": (0.75, 0.7)}))
    tiles = page.text.partition("its test score is the result.")[2].partition("Chosen")[0]
    assert "60.0\non test, of the setting chosen on validation" in tiles
    assert "80.0\non validation, the best of all settings" in tiles
    assert "90.0" not in tiles
    assert "Chosen\noptim.lr=0.2" in page.text
    assert page.html.count('<tr class="chosen"><th>0.2</th>') == page.html.count('<tr class="chosen">') == 1
    assert page.text.count("\nchosen\n") == 2  # in the curves of validation and test
    assert "have the best validation score" not in page.text


def test_settings_on_several_data_sets_are_not_ranked(tmp_path):
    validated(tmp_path, {"0.1": (0.7, 0.9)}, dataset="A")
    validated(tmp_path, {"0.2": (0.8, 0.6)}, dataset="B")
    page = page_of(tmp_path)
    assert "graphormer ← gin on A, B" in page.text
    assert "Settings are not ranked: the runs are of several data sets, A, B." in page.text
    assert "chosen" not in page.text
    assert 'class="chosen"' not in page.html


def test_axes_and_metric_of_a_sweep_can_be_chosen(tmp_path):
    sweep = sweep_of(tmp_path / "sweep")
    assert "Sweep of seed and loss.weights.macro" in page_of(sweep, x="seed").text
    assert "Sweep of loss.weights.micro and seed" in page_of(sweep, y="seed", x="loss.weights.micro").text
    caption = "macro F1 (%) on validation; mean over seed; outlined: the setting chosen on validation."
    assert caption in page_of(sweep, metric="macro_f1").text
    for config, message in (
        ({"x": "loss.weights.mikro"}, "report.x=loss.weights.mikro.*Did you mean 'loss.weights.micro'"),
        ({"x": "seed", "y": "seed"}, "report.y=seed: is already the x axis"),
        ({"metric": "acuracy"}, "report.metric=acuracy.*Choices: macro_f1, accuracy.*Did you mean 'accuracy'"),
    ):
        with pytest.raises(UserError, match=message):
            page_of(sweep, **config)


def test_sweeps_of_one_key_of_seeds_and_of_nothing_finished(tmp_path):
    for index, lr in enumerate(("0.1", "0.01", "default")):
        make_run(tmp_path / "one" / str(index), *([f"optim.lr={lr}"] if lr != "default" else []), test=None)
    page = page_of(tmp_path / "one")
    assert "optim.lr: 0.01, 0.1, default" in page.text
    assert page.tags["svg"] == 1
    for seed in (0, 1):
        make_run(tmp_path / "seeds" / str(seed), f"seed={seed}")
    assert "The runs differ only in seed" in page_of(tmp_path / "seeds").text
    (make_run(tmp_path / "begun" / "0", "seed=0") / "summary.json").unlink()
    assert "0\nfinished, 1 not" in page_of(tmp_path / "begun").text


@pytest.mark.parametrize("name", ["summary.json", ".hydra/overrides.yaml"])
def test_a_damaged_run_is_named_and_does_not_count(tmp_path, name):
    for seed in (0, 1, 2):
        file = make_run(tmp_path / "seeds" / str(seed), f"seed={seed}") / name
    file.write_text("- seed=3\n")
    page = page_of(tmp_path / "seeds")
    assert f"\n2/{name}: is damaged: " in page.text
    assert "2\nall finished" in page.text


def test_lower_errors_are_better_in_a_sweep(tmp_path):
    for index, micro in enumerate((0, 1)):
        run = make_run(tmp_path / str(index), f"loss.weights.micro={micro}", metric="rmse")
        summary = read_summary(run)
        summary["student"]["val"]["rmse"] = 0.5 + micro
        write_json(run / "summary.json", summary)
    assert "loss.weights.micro=0\n" in page_of(tmp_path).text


def test_runs_that_differ_in_folds_have_a_mean_and_each_its_score(tmp_path):
    for fold, test in enumerate((0.7, 0.8, 0.6)):
        make_run(tmp_path / "folds" / str(fold), f"dataset.fold={fold}", test=test)
    page = page_of(tmp_path / "folds")
    assert "Runs over dataset.fold" in page.text
    assert "70.0 ± 10.0\non test, mean ± std of 3 runs; 95 % interval [44.1, 95.9]" in page.text
    assert "3 finished runs of one setting." in page.text
    assert "81.2 ± 0.0\n70.0 ± 10.0\n3\n" in page.text  # validation, test, count
    assert "0\n0\n81.2\n70.0\n1\n1\n81.2\n80.0\n2\n2\n81.2\n60.0\n" in page.text  # folder, fold, scores
    assert "selected on validation" not in page.text


def test_jobs_stand_in_their_order(tmp_path):
    for job in range(11):
        make_run(tmp_path / "many" / str(job), f"seed={job}")
    told = page_of(tmp_path / "many").text.partition("\nRuns\n")[2]
    assert "\n9\n9\n81.2\n75.0\n10\n10\n81.2\n75.0\n" in told


def test_why_runs_of_a_sweep_failed_is_told(tmp_path):
    sweep = sweep_of(tmp_path / "sweep")
    write_failure(sweep / "11", UserError("Training diverged.\nLower the rate."))
    page = page_of(sweep)
    assert "Failed runs\n11\nTraining diverged.\n" in page.text
    assert "Lower the rate" not in page.text


def test_a_run_that_makes_no_sense_does_not_end_the_page(tmp_path):
    sweep = sweep_of(tmp_path / "sweep")
    (sweep / "11" / ".hydra" / "config.yaml").write_text("- 1\n- 2\n")
    (sweep / "11" / "failed.json").write_text("[]")
    page = page_of(sweep)
    assert "\n11: cannot be read" in page.text
    assert "11\nall finished" in page.text
