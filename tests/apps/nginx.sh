#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx serves 1,000 requests of a client beside the machine, small files and large ones.
# tier: fast
# boot: shared
# variants: trap shim
# time: 180
# host: peer
# forward: 18081:8081
. "$TEST_DIRECTORY/common.inc"
need nginx
mkdir root
chmod 755 . root
head -c 3000 /dev/zero >root/small
head -c 300000 /dev/zero >root/large
cat >nginx.conf <<END
daemon off;
worker_processes 2;
pid $PWD/nginx.pid;
error_log stderr;
events { worker_connections 128; }
http {
  access_log off;
  sendfile on;
  client_body_temp_path $PWD/body;
  proxy_temp_path $PWD/proxy;
  fastcgi_temp_path $PWD/fastcgi;
  uwsgi_temp_path $PWD/uwsgi;
  scgi_temp_path $PWD/scgi;
  server { listen 8081; root $PWD/root; }
}
END
nginx -c "$PWD/nginx.conf" -p "$PWD" -e stderr &
server=$!
load 18081 1000 4 /small 3000
load 18081 20 4 /large 300000
# Reloading replaces the workers, which inherit the listening socket.
kill -HUP "$server"
sleep 1
load 18081 50 4 /small 3000
kill -QUIT "$server"
wait "$server" || fail "nginx ended with status $?"
