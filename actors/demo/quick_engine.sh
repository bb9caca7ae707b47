#!/bin/sh
# An engine of no time at all, for measuring everything around an engine: reads the grid and the output folder from the
# input file and fills the output with one value. Its "dose" is 4.77e-4 (eight bytes 3F) in every voxel: no dose of anything.
set -eu
nx=200 ny=200 nz=200 out= two=false
while IFS=' ' read -r key value; do
    case $key in
    PhantomDimX) nx=$value ;;
    PhantomDimY) ny=$value ;;
    PhantomDimZ) nz=$value ;;
    TwoCentimeterMode) two=$value ;;
    OutputDir) out=$value ;;
    esac
done <"$1"
[ "$two" = true ] && nx=400 ny=400 nz=1
echo "Uploading particles.. : 1 histories per batch, with 1 batches"
echo "Generating particles for (1 of 1 batches) in CPU .."
[ -z "${MQI_ENGINE_SECONDS:-}" ] || sleep "$MQI_ENGINE_SECONDS"
head -c $((nx * ny * nz * 8)) /dev/zero | tr '\0' '?' >"$out/quick_1_Dose.raw"
echo "Particle transportation complete!"
echo "Time taken by MC engine: 0 milli-seconds"
