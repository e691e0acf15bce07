#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A domain that is kept from running is given up, too, but not before 5 s: it may be no fault of its own. One that
# is paused for less goes on as if nothing had been.
# tier: fast
# boot: shared
# time: 90
# expect-log primary: it hangs: no sign of life
set -u
. "$TEST_DIRECTORY/strike.inc"

generation=$(field generation)
xl pause network || exit 1
sleep 2.5
xl unpause network || exit 1
serves || { echo "it does not serve after a short pause"; exit 1; }
[ "$(field generation) $(field state)" = "$generation connected" ] || { echo "given up after 2.5 s: $(reason)"; exit 1; }

start=$(now_ms)
xl pause network || exit 1
while [ "$(field generation) $(field state)" = "$generation connected" ]; do
  [ $(($(now_ms) - start)) -lt 20000 ] || { echo "not noticed within 20 s"; exit 1; }
  sleep 0.05
done
noticed=$(($(now_ms) - start))
echo "noticed after $noticed ms: $(reason)"
[ $noticed -ge 4500 ] && [ $noticed -le 9000 ] || { echo "not after 5 s"; exit 1; }
for _ in $(seq 1500); do
  [ "$(field generation)" -gt "$generation" ] && [ "$(field state)" = connected ] && break
  sleep 0.04
done
serves || { echo "no new domain serves; $(cat $state)"; exit 1; }
