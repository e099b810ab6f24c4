#!/bin/sh
# The sample application: busybox's web server with one page that a script makes.
cd "$(dirname "$0")" || exit 1
echo "hello: instance ${INSTANCE_INDEX} (${INSTANCE_GUID}) listens on port ${PORT}"
exec httpd -f -v -p "${PORT}" -h "$PWD/www"
