#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A network domain that overwrites its own kernel's memory at random: whatever becomes of it, crash, hang or
# nonsense in shared memory, the primary notices and a new domain serves. Three times.
# tier: fast
# boot: shared
# time: 150
set -u
. "$TEST_DIRECTORY/strike.inc"
strike corrupt-memory 20000
strike corrupt-memory 20000
strike corrupt-memory 20000
