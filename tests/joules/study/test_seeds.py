"""The seeds of a campaign: drawn once, kept, and repeated on demand."""

import pytest

from joules.errors import UserError
from joules.study.campaign import Campaign
from joules.study.config import MOST_FIRST_SEED, Config
from joules.study.seeds import settle_first_seed
from joules.workload.reinforcement.environments import make_environments

DRAWN = Config(experiments=["rl_ranking"])


def test_each_campaign_draws_seeds_of_its_own_and_keeps_them(tmp_path):
    campaigns = [Campaign("local", tmp_path / str(number)) for number in range(20)]
    seeds = [settle_first_seed(campaign, DRAWN) for campaign in campaigns]
    assert len(set(seeds)) == len(seeds)
    # Seeds 0 to 1003 are those of released campaigns.
    assert all(10_000 <= seed < MOST_FIRST_SEED for seed in seeds)
    assert [settle_first_seed(campaign, DRAWN) for campaign in campaigns] == seeds


def test_given_seeds_are_repeated_and_kept(tmp_path):
    campaign = Campaign("local", tmp_path)
    settle_first_seed(campaign, DRAWN)
    assert settle_first_seed(campaign, DRAWN.model_copy(update={"first_seed": 1000})) == 1000
    assert settle_first_seed(campaign, DRAWN) == 1000


@pytest.mark.parametrize(
    "text", ["", "{}", '{"first_seed": -1}', '{"first_seed": true}', '{"first_seed": 1e3}']
)
def test_a_damaged_file_is_refused(tmp_path, text):
    campaign = Campaign("local", tmp_path)
    campaign.seeds_file.parent.mkdir(parents=True)
    campaign.seeds_file.write_text(text)
    with pytest.raises(UserError, match="set the option first_seed once"):
        settle_first_seed(campaign, DRAWN)
    assert settle_first_seed(campaign, DRAWN.model_copy(update={"first_seed": 7})) == 7


@pytest.mark.parametrize("name", ["minatar/breakout", "ale_ram/pong", "ale/pong"])
def test_games_take_the_largest_seed_of_a_campaign(name):
    # That of the evaluation of the last of twenty blocks.
    games = make_environments(name, 2, MOST_FIRST_SEED + 520, training=True, threads=1)
    assert len(games.reset()) == 2
