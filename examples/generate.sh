#!/bin/sh
# Make an image from a shell script: sh examples/generate.sh PROMPT OUTPUT
set -eu

if [ "$#" -ne 2 ]; then
    echo "usage: sh examples/generate.sh PROMPT OUTPUT" >&2
    exit 2
fi

script=$(dirname "$0")/../skills/gpt-image-2/scripts/gpt_image2.py

saved=$(python3 "$script" generate -o "$2" --quality low -- "$1")
path=${saved#Saved: }
printf '%s\n' "${path% (*}"
