#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A network domain with two vCPUs, hence two pollers: lanes of one process, and lanes and sockets, are served by
# different ones. Other tests' programs by trap and with the shim, threads and a hostile process among them.
# tier: fast
# boot: own
# time: 240
# vm: --smp 3 --xen dom0_max_vcpus=1 --storage none
# programs: system/accept system/descriptor_reuse system/epoll_edge system/epoll_oneshot_exclusive system/fork_shares
# programs: system/hostile_process system/poll_wakes_writer system/session_limits system/threads_pingpong
# programs: system/transfer_sizes system/udp
set -u

sed -i 's/^vcpus = .*/vcpus = 2/; s/^cpus = .*/cpus = "1-2"/' /etc/virtuos/network.cfg
vos restart network || exit 1
grep '^domain=network' /sys/kernel/debug/virtuos/state | grep 'state=connected pollers=2' ||
  { echo "not two pollers"; cat /sys/kernel/debug/virtuos/state; exit 1; }
id=$(xl domid network)

failed=0
# What only repeats itself does so less often than in the domain with one poller: there are more vCPUs than processors.
export VOS_TEST_PART=4
run() { # VARIANT OPTION PROGRAM
  # shellcheck disable=SC2086
  start=$(cut -d. -f1 /proc/uptime)
  VOS_TEST_VARIANT=$1 timeout 90 vos run $2 -- "$TEST_DIRECTORY/$3" >output 2>&1
  status=$?
  echo "$3 ($1): status $status, $(($(cut -d. -f1 /proc/uptime) - start)) s"
  [ $status -eq 0 ] || [ $status -eq 77 ] || { tail -n 20 output; failed=1; }
}
for program in accept descriptor_reuse epoll_edge epoll_oneshot_exclusive fork_shares poll_wakes_writer threads_pingpong \
  transfer_sizes udp; do
  run trap --no-shim "$program"
  run shim "" "$program"
done
run trap --no-shim session_limits
run trap --no-shim hostile_process
[ "$(xl domid network)" = "$id" ] || { echo "the domain did not survive"; failed=1; }
grep '^domain=network' /sys/kernel/debug/virtuos/state
exit $failed
