"""The content of a manifest."""

import pytest

from joules.archive.verification import write_manifest
from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.config import check_config


def test_a_campaign_without_a_question_that_another_uses_lists_none_of_its_records(tmp_path):
    campaign, config = Campaign("local", tmp_path), check_config({"scale": "smoke"})
    (campaign.tables("sparse_parity")).mkdir(parents=True)
    campaign.tables("campaign").mkdir()
    with pytest.raises(UserError, match="missing") as missing:
        write_manifest(campaign, ["sparse_parity"], config)
    assert "language_models" not in str(missing.value)
