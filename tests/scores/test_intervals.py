import pytest

from spatialnet_keras.scores.intervals import wilson


def test_wilson_by_hand():
    # 8 of 10: centre (0.8 + 0.19208) / 1.38416, Wilson 1927 with z = 1.96
    low, high = wilson(0.8, 10)
    assert low == pytest.approx(0.4902, abs=1e-4)
    assert high == pytest.approx(0.9433, abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_an_interval_holds_its_share_and_stays_a_share(share):
    low, high = wilson(share, 20)
    assert -1e-9 <= low <= share + 1e-9 <= high + 2e-9 <= 1 + 3e-9


def test_more_rows_make_a_narrower_interval():
    assert wilson(0.9, 1000)[0] > wilson(0.9, 10)[0]
