#!/bin/bash
# For a K3s cluster with Istio (`istioctl install`). With lateen none of this is needed:
# `lateen up` builds and starts everything in one go.
set -euo pipefail
cd "$(dirname "$0")"

NAMESPACE="polyglot-services"
# The guide built for my-registry.local while its Deployments pull from my-registry: the images were
# never found. Set REGISTRY to yours, and the manifests are given the same name on their way in.
REGISTRY="${REGISTRY:-my-registry}"
VERSION="1.0.0"

echo "=== Building and Pushing Images ==="
for service in fastapi-service go-service java-service node-service my-service; do
  docker build -t "${REGISTRY}/${service}:${VERSION}" "./services/${service}/"
  docker push "${REGISTRY}/${service}:${VERSION}"
done

echo "=== Creating Namespace (with Istio injection) ==="
kubectl apply -f k8s/namespace.yaml

echo "=== Deploying Services ==="
for folder in k8s/*/; do
  for file in "${folder}"*.yaml; do
    sed "s#image: my-registry/#image: ${REGISTRY}/#" "${file}" | kubectl apply -f -
  done
done

echo "=== Configuring Istio ==="
kubectl apply -f istio/

echo "=== Waiting for Pods ==="
kubectl wait --for=condition=available deployment --all -n "${NAMESPACE}" --timeout=180s
kubectl get pods -n "${NAMESPACE}"
