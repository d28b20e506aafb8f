import json
from dataclasses import replace

from distilling import distiller

from retrieval.training import distil_run, state
from retrieval.training.distil_run import DistilRunSettings, Phase


def test_a_run_resumes_where_it_stopped_even_at_another_size(pool, tmp_path):
    settings = DistilRunSettings(tmp_path, Phase(16), Phase(32), views=48, cooldown_views=16, fitted=16)
    calls = iter([False, False, True])
    assert not distil_run.train(distiller(pool), settings, stopped=lambda: next(calls))
    assert state.load(tmp_path).position.views == 16
    again = distiller(pool)
    assert distil_run.train(again, settings)
    assert again.position.views == 48 and again.image_size == 32
    events = [json.loads(line).get("event") for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert events == ["begun", "stopped", "resumed", "finished"]


def test_the_rate_falls_to_nothing_over_the_cooldown(pool, tmp_path):
    run = distil_run._Run(distiller(pool), DistilRunSettings(tmp_path, Phase(32), Phase(32), 100, 50), None, print)
    run.distiller.position.views = 75
    assert run.left() == 0.5
    run.settings = replace(run.settings, until=1.0)
    assert run.left() < 0
