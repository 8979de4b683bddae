#!/usr/bin/env bash
# Builds the image `headrace`: with Docker where its engine answers, else, as root, with buildah.
# `image.sh buildah` does not ask for Docker.
#
# buildah gets bases made of Debian's packages, so no registry is needed. They stay in its storage:
# only the first time takes a minute. pip's own settings go along as secrets.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=bookworm
base=localhost/headrace-base:$suite
builder=localhost/headrace-builder:$suite
scratch=$(mktemp -d)
container=
trap 'rm -rf "$scratch"; [ -z "$container" ] || buildah rm "$container" >/dev/null' EXIT

pip_secrets() { # fills secrets with what pip says about its index and whom it trusts
    local settings certificates
    secrets=()
    # The environment comes first in the list, and beats the files.
    settings=$(python3 -m pip config list 2>/dev/null |
        sed -nE "s/^(:env:|global)\.(index-url|proxy|trusted-host|cert)='(.+)'$/\2 = \3/p" |
        awk '!seen[$1]++') || true
    certificates=$(sed -n 's/^cert = //p' <<<"$settings")
    if [ -n "$settings" ]; then
        printf '[global]\n%s\n' "$settings" | sed 's|^cert = .*|cert = /run/secrets/ca|' >"$scratch/pip.conf"
        secrets+=(--secret "id=pip,src=$scratch/pip.conf")
    fi
    [ -z "$certificates" ] || secrets+=(--secret "id=ca,src=$certificates")
}

make_base() {
    local root
    container=$(buildah from scratch)
    root=$(buildah mount "$container")
    debootstrap --variant=minbase --include=python3 "$suite" "$root" >"$scratch/log" ||
        { tail "$scratch/log" >&2; return 1; }
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
        "$root"/usr/share/{doc,info,locale,man}/*
    buildah commit --quiet --rm "$container" "$base" >/dev/null
    container=
}

make_builder() {
    container=$(buildah from "$base")
    buildah run "$container" -- apt-get update -qq
    buildah run "$container" -- env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends \
        gcc libc6-dev python3-dev python3-pip >"$scratch/log" 2>&1 || { tail "$scratch/log" >&2; return 1; }
    buildah commit --quiet --rm "$container" "$builder" >/dev/null
    container=
}

pip_secrets
if [ "${1:-}" != buildah ] && docker info >/dev/null 2>&1; then
    docker build "${secrets[@]}" --tag headrace .
    exit
fi

for tool in buildah debootstrap; do
    command -v "$tool" >/dev/null || { echo "make image: neither Docker answers nor is there $tool" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "make image: without Docker this needs root" >&2; exit 1; }
# What a machine needs least for; the storage is its own affair (containers-storage.conf(5)).
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
buildah inspect --type image "$base" >/dev/null 2>&1 || make_base
buildah inspect --type image "$builder" >/dev/null 2>&1 || make_builder
# Docker's format, because OCI's has no HEALTHCHECK.
buildah bud --format docker --build-arg BUILDER="$builder" --build-arg BASE="$base" \
    "${secrets[@]}" --tag headrace .
