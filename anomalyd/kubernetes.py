"""What names in Kubernetes say: which workload a pod is of, and what an image is."""

from __future__ import annotations

import re

_OF_REPLICASET = re.compile(r"(.+)-[a-z0-9]{5,10}-[a-z0-9]{5}$")
_OF_STATEFULSET = re.compile(r"(.+)-\d+$")
_OF_DAEMONSET = re.compile(r"(.+)-[bcdfghjklmnpqrstvwxz2456789]{5}$")
_REGISTRY = re.compile(r"^(?:[^/]*[.:][^/]*|localhost)/")


def workload(pod: str) -> str:
    """The workload of a pod by Kubernetes' way of naming pods; the pod itself where it is none."""
    for pattern in (_OF_REPLICASET, _OF_STATEFULSET, _OF_DAEMONSET):
        found = pattern.match(pod)
        if found:
            return found[1]
    return pod


def image(reference: str) -> tuple[str, str]:
    """Name without its registry, and tag or digest: `eu.gcr.io/shop/cart:v2` is shop/cart, v2.

    A tag says more to people than a digest, which stands where there is no tag.
    """
    rest, _, digest = reference.partition("@")
    rest = _REGISTRY.sub("", rest.removeprefix("docker-pullable://"))
    name, colon, tag = rest.rpartition(":")
    return (name, tag) if colon else (rest, digest or "latest")
