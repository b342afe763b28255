"""The declared tests find no difference between an arm and itself."""

import pytest

from validation.same_arm import rejections


@pytest.mark.parametrize("test", ["paired_t", "sign_flip"])
def test_an_arm_compared_with_itself_is_rarely_rejected(test):
    assert rejections(test, trials=2000) <= 0.065
