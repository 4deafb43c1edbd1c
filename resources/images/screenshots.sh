#!/bin/sh
# The README's pictures: example projects run on recordings made here (spoken words), then pictured offscreen.
set -eu
cd "$(dirname "$0")/../.."
bin=$PWD/.venv/bin
out=$PWD/resources/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export OSSICLE_SETTINGS="$work/settings"
"$bin/ossicle" studio --screenshot "$out/studio-dark.png" --size 1600x1000 --theme dark --select train-1 --run demo
"$bin/ossicle" studio --screenshot "$out/studio-light.png" --size 1600x1000 --theme light --select mfcc-1 --panel confusion --run demo
"$bin/ossicle" studio --screenshot "$out/studio-start.png" --size 1280x800 --theme dark
"$bin/python" "$out/hub_page.py" "$out/hub-dark.png"
