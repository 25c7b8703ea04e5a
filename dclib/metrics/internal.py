"""Internal scores: compactness and separation, without true labels; scikit-learn's own.

All three need 2 to n - 1 clusters and judge the space they are computed in. On a code that the
algorithm itself has pulled together they are nearly perfect whatever the clusters are: compare
them within one space only. Silhouette and Calinski-Harabasz: high is good. Davies-Bouldin: low.
"""

from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

__all__ = ["calinski_harabasz_score", "davies_bouldin_score", "silhouette_score"]
