#!/bin/sh
# Waits beside whoever brings a fleet up, and takes it down when they end without a word, also by force.
#   guard.sh FLEET_DIR < PIPE
read -r word || word=
[ "$word" = keep ] || exec sh "$1/down.sh" "$1"
