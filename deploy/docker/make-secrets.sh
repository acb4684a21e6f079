#!/bin/sh
# Makes the secrets of compose.cluster.yaml in deploy/docker/secrets. Leaves them alone when they are there.
set -eu
cd "$(dirname "$0")"
if [ -e secrets ]; then
  echo "secrets/ is there already" >&2
  exit 1
fi
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# Containers read them as users of their own, so the files are open and the folder is not.
umask 022
mkdir -m 0700 secrets
postgres=$(random) redis=$(random)
printf '%s' "$postgres" >secrets/postgres_password
printf '%s' "$redis" >secrets/redis_password
printf '%s' "$(random)" >secrets/jwt_secret
printf 'postgres://gapless:%s@postgres:5432/gapless' "$postgres" >secrets/store_url
printf 'redis://:%s@redis:6379' "$redis" >secrets/broker_url
echo "secrets/ is made"
