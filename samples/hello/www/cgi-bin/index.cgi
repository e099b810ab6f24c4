#!/bin/sh
# Answers "/": who is it that serves?
echo "Content-Type: text/plain"
echo
echo "Hello from instance ${INSTANCE_INDEX} of the sample application"
echo "instance guid: ${INSTANCE_GUID}"
echo "address:       ${CF_INSTANCE_ADDR}"
