"""Residuals -> a sparse autoencoder: its features, its training, its metrics and its files."""

from drawbar.sae.checkpoint import CONFIG_FILE, load_sae, save_sae
from drawbar.sae.metrics import Recovered, cross_entropy_recovered, measure, seed_stability
from drawbar.sae.settings import SaeSettings
from drawbar.sae.site import SiteTest, site_test
from drawbar.sae.topk import SAE
from drawbar.sae.train import SaeJob, TrainedSae, train_saes

__all__ = [
    "CONFIG_FILE",
    "SAE",
    "Recovered",
    "SaeJob",
    "SaeSettings",
    "SiteTest",
    "TrainedSae",
    "cross_entropy_recovered",
    "load_sae",
    "measure",
    "save_sae",
    "seed_stability",
    "site_test",
    "train_saes",
]
