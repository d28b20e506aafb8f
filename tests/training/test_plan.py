import pytest

from retrieval.training.plan import Budget, PlanSettings, Stage, moment

PLAN = PlanSettings(blocks_share=0.4, warm_up=0.01, blocks_rate=1.0, blocks_floor=0.1, whole_rate=0.5)


def test_blocks_come_first():
    stages = [moment(PLAN, spent / 100).stage for spent in range(101)]
    assert stages == [Stage.BLOCKS] * 40 + [Stage.WHOLE] * 61


def test_rates_rise_and_fall_in_each_stage():
    assert moment(PLAN, 0.0).rate < 0.01
    assert moment(PLAN, 0.01).rate == pytest.approx(1.0, rel=0.01)
    assert moment(PLAN, 0.2).rate == pytest.approx(0.55)
    assert moment(PLAN, 0.3999).rate == pytest.approx(0.1, rel=0.01)
    assert moment(PLAN, 0.4).rate < 0.01
    assert moment(PLAN, 0.41).rate == pytest.approx(0.5, rel=0.01)
    assert moment(PLAN, 0.7).rate == pytest.approx(0.25)
    assert moment(PLAN, 1.0).rate == 0


def test_fading_goes_from_one_to_nothing_in_each_stage():
    assert [moment(PLAN, spent).fading for spent in (0, 0.2, 0.4, 0.7, 1)] == pytest.approx([1, 0.5, 1, 0.5, 0])


def test_all_patches_are_looked_at_in_the_end():
    assert moment(PLAN, 0.1).kept == PLAN.blocks_kept
    assert moment(PLAN, 0.5).kept == 1


@pytest.mark.parametrize(("share", "stage"), [(0.0, Stage.WHOLE), (1.0, Stage.BLOCKS)])
def test_a_stage_can_be_left_out(share, stage):
    settings = PlanSettings(blocks_share=share)
    assert {moment(settings, spent / 10).stage for spent in range(10)} == {stage}
    assert moment(settings, 1.0).rate >= 0


def test_budgets_are_spent_in_views_or_in_time_whichever_ends_first():
    assert Budget(views=200).spent(50, 1e9) == 0.25
    assert Budget(minutes=10).spent(10**9, 60) == pytest.approx(0.1)
    assert Budget(views=200, minutes=10).spent(50, 300) == 0.5
    assert Budget(views=200).spent(300, 0) == 1
    assert Budget().spent(300, 300) == 0
