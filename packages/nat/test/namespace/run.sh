#!/bin/sh
# Two network namespaces with a cable between them: a gateway at 10.77.0.1, and a node at 10.77.0.2 that knows it as its default route.
# Nothing leaves them. Run inside of a namespace of its own (unshare --net): run.sh NODE FOLDER HOW SPEAKS
set -eu
node=$1 folder=$2 how=$3 speaks=$4
ready=$(mktemp)
ip link set lo up
unshare --net sleep 60 &
gate=$!
trap 'kill $gate 2>/dev/null || true' EXIT
until [ "$(readlink /proc/$gate/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
ip link add node0 type veth peer name gate0
ip link set gate0 netns $gate
ip address add 10.77.0.2/24 dev node0
ip link set node0 up
nsenter --target $gate --net sh -c 'ip link set lo up && ip address add 10.77.0.1/24 dev gate0 && ip link set gate0 up'
ip route add default via 10.77.0.1
nsenter --target $gate --net "$node" --conditions=@kumiko/source "$folder/gateway.ts" "$speaks" "$ready" &
gateway=$!
trap 'kill $gateway $gate 2>/dev/null || true; rm -f "$ready"' EXIT
until [ -s "$ready" ]; do sleep 0.02; done
"$node" --conditions=@kumiko/source "$folder/node.ts" "$how"
kill $gateway
wait $gateway || true
