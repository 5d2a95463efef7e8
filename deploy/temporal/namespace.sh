#!/bin/sh
# Make the namespace `default`, where it is not there yet; TEMPORAL_ADDRESS says where.
set -eu
temporal operator namespace describe -n default ||
  temporal operator namespace create -n default --retention 72h
