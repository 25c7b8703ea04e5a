"""Scores of clusterings; only whoever holds the labels calls the external ones."""

from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
)

from dclib.metrics.external import (
    clustering_accuracy,
    contingency,
    majority_accuracy,
    matched_confusion,
    precision_recall_f1,
)
from dclib.metrics.internal import (
    calinski_harabasz_score,
    davies_bouldin_score,
    gap_choice,
    gap_statistic,
    silhouette_score,
    within_dispersion,
)
from dclib.metrics.retrieval import mean_average_precision, precision_within
from dclib.metrics.stability import mean_agreement, resampling_stability

__all__ = [
    "adjusted_mutual_info_score",
    "adjusted_rand_score",
    "calinski_harabasz_score",
    "clustering_accuracy",
    "contingency",
    "davies_bouldin_score",
    "gap_choice",
    "gap_statistic",
    "majority_accuracy",
    "matched_confusion",
    "mean_agreement",
    "mean_average_precision",
    "normalized_mutual_info_score",
    "precision_recall_f1",
    "precision_within",
    "resampling_stability",
    "silhouette_score",
    "within_dispersion",
]
