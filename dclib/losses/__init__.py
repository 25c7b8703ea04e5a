"""Losses as pure functions: sum over features and clusters, mean over samples."""

from dclib.losses.adversarial import (
    critic_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from dclib.losses.agglomeration import (
    agglomerate,
    cluster_affinity,
    directed_graph,
    draw_triplets,
    nearest_components,
    triplet_loss,
)
from dclib.losses.assignment import assignment_kl, balance_kl
from dclib.losses.augmentation import (
    adaptive_radius,
    adversarial_perturbation,
    random_perturbation,
)
from dclib.losses.classification import compensate_drift, pseudo_label_loss
from dclib.losses.correlation import correlation_loss, cross_correlation, shape_distance
from dclib.losses.information import (
    bit_information,
    entropy,
    mutual_information,
    view_information,
)
from dclib.losses.kmeans import kmeans_loss, soft_kmeans_loss, update_centers
from dclib.losses.margin import crp_assign, crp_log_prior, margin_loss
from dclib.losses.neighbourhood import (
    heat_kernel,
    locality_loss,
    nearest_neighbours,
    orthonormal,
)
from dclib.losses.pairs import label_features, pair_loss, pair_thresholds, select_pairs
from dclib.losses.reconstruction import huber_error, series_error, squared_error
from dclib.losses.sparsity import contractive, group_sparsity, sparsity_kl
from dclib.losses.subspace import (
    ridge_expression,
    self_expression,
    self_expression_affinity,
)
from dclib.losses.variational import bernoulli_nll, gaussian_kl, gaussian_nll, mixture_kl

__all__ = [
    "adaptive_radius",
    "adversarial_perturbation",
    "agglomerate",
    "assignment_kl",
    "balance_kl",
    "bernoulli_nll",
    "bit_information",
    "cluster_affinity",
    "compensate_drift",
    "contractive",
    "correlation_loss",
    "critic_loss",
    "cross_correlation",
    "crp_assign",
    "crp_log_prior",
    "directed_graph",
    "discriminator_loss",
    "draw_triplets",
    "entropy",
    "gaussian_kl",
    "gaussian_nll",
    "generator_loss",
    "gradient_penalty",
    "group_sparsity",
    "heat_kernel",
    "huber_error",
    "kmeans_loss",
    "label_features",
    "locality_loss",
    "margin_loss",
    "mixture_kl",
    "mutual_information",
    "nearest_components",
    "nearest_neighbours",
    "orthonormal",
    "pair_loss",
    "pair_thresholds",
    "pseudo_label_loss",
    "random_perturbation",
    "ridge_expression",
    "select_pairs",
    "self_expression",
    "self_expression_affinity",
    "series_error",
    "shape_distance",
    "soft_kmeans_loss",
    "sparsity_kl",
    "squared_error",
    "triplet_loss",
    "update_centers",
    "view_information",
]
