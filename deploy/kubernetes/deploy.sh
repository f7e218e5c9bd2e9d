#!/usr/bin/env bash
# The extraction service into the cluster that kubectl points to, IMAGE in a registry it can reach; again: what has changed.
#   IMAGE=registry.example/framedb:0.1 [TIDB_URL=mysql://...] deploy/kubernetes/deploy.sh
set -euo pipefail
image=${IMAGE:?the image, where the cluster can pull it: build it with deploy/Dockerfile, and push it}
here=$(cd "$(dirname "$0")" && pwd)
namespace=video-extractor

kubectl apply --filename "$here/namespace.yaml"
if ! kubectl --namespace "$namespace" get secret video-extractor >/dev/null 2>&1; then
  secret=$(mktemp) && trap 'rm -f "$secret"' EXIT # not an argument, which every user of this machine could read
  echo "FRAMEDB_TOKEN=$(openssl rand -hex 32)" >"$secret"
  [ -z "${TIDB_URL:-}" ] || echo "TIDB_URL=$TIDB_URL" >>"$secret"
  kubectl --namespace "$namespace" create secret generic video-extractor --from-env-file "$secret"
fi
kubectl kustomize "$here" | sed "s|image: framedb$|image: $image|" | kubectl apply --filename -
# The secret may be of an earlier run: without a database in it each pod would have jobs of its own.
if [ -n "$(kubectl --namespace "$namespace" get secret video-extractor --output 'jsonpath={.data.TIDB_URL}')" ]; then
  kubectl apply --filename "$here/optional/hpa.yaml"
fi
kubectl --namespace "$namespace" rollout status statefulset/video-extractor

cat <<'END'
The token:  kubectl --namespace video-extractor get secret video-extractor --output 'jsonpath={.data.FRAMEDB_TOKEN}' | base64 -d
The page:   kubectl --namespace video-extractor port-forward service/video-extractor-service 8000:80
            then http://127.0.0.1:8000, any name, and the token as the password
END
