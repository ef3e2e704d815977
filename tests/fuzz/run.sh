#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh PLAIN SOURCES SECONDS NAME: fuzzes with clang's coverage-guided fuzzer and its sanitizers where they are
# installed; where they are not, PLAIN, the same harness with mutations at random, runs alone.
set -eu
plain=$1
root=$2
seconds=$3
name=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$plain" "$seconds"
mkdir "$work/corpus"
"$plain" --corpus "$work/corpus"
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n){return d && n > 9999;}' >"$work/try.c"
clang -fsanitize=fuzzer,address,undefined "$work/try.c" -o "$work/try" 2>/dev/null || {
    echo "clang has no fuzzer here: only mutations at random were tried"
    exit 0
}
# Each harness with no more of the driver than it needs.
driver=$root/driver
libraries="glib-2.0 libvirt libzstd libxxhash"
case $name in
wire) sources="$driver/wire/*.c $driver/store/text.c $driver/qcow2/format.c $driver/model/*.c $driver/base/error.c
    $driver/base/fd.c $driver/base/words.c $driver/base/i18n.c" ;;
bundle) sources="$driver/bundle/*.c $driver/copy/[!s]*.c $driver/copy/sieve.c $driver/qcow2/*.c $driver/model/*.c $driver/base/*.c"
    libraries="$libraries json-glib-1.0 zlib libgcrypt" ;;
*) echo "There is no harness '$name'" && exit 1 ;;
esac
# shellcheck disable=SC2046,SC2086
clang -std=gnu11 -g -O1 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DGETTEXT_PACKAGE='"x"' -DREPL_VERSION='"x"' \
    -DREPL_LOCALEDIR='"/x"' -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -I"$root/driver" -I"$root/include" -I"$root/build/include" $(pkg-config --cflags $libraries) \
    "$root/tests/fuzz/fuzz_$name.c" $sources $(pkg-config --libs $libraries) -lpthread -o "$work/fuzz"
"$work/fuzz" -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=64 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="$work/" "$work/corpus"
